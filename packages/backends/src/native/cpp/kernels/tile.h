// The innermost loops: a tile of C, held in registers, gains the product of a strip of A and a panel of B.
//
// A and B come in units of four bytes: one float, or (PAIRED) two bf16 numbers that follow each other along k.
#pragma once

#include "vector.h"

namespace trainyard {
namespace {

// Vectors across a panel, rows of a tile: as many accumulators as registers allow.
constexpr int panelVectors = 2;
constexpr int panel = panelVectors * LANES;
#if LANES == 16
constexpr int registerRows = 14;
#elif defined(__aarch64__)
constexpr int registerRows = 8;
#else
constexpr int registerRows = 6;
#endif

template <bool PAIRED>
FORCE vf multiplyAdd(vf a, vf b, vf c) {
#if defined(__AVX512BF16__) && LANES == 16
  if (PAIRED) return (vf)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
#endif
  return a * b + c;
}

// c[ROWS, panel] (+)= Σ k a[row · aRow + k · aStep] · b[k · bStep ..]. FAR: C may be far away.
template <int ROWS, bool PAIRED, bool FAR = true>
FORCE void registerTile(int64_t k, const float* __restrict__ a, int64_t aRow, int64_t aStep, const float* __restrict__ b,
                        int64_t bStep, float* __restrict__ c, int64_t cRow, bool add) {
  vf sum[ROWS][panelVectors];
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 4
    for (int j = 0; j < panelVectors; j++) sum[i][j] = all(0.0f);
  // Then it comes while the sums are taken, a row at a time, because the nearest cache waits for a few lines at once only.
  float* far = c;
  const int64_t piece = FAR ? k / ROWS + 1 : k;
  for (int64_t n = 0; n < k;) {
    const int64_t end = n + piece < k ? n + piece : k;
#pragma GCC unroll 4
    for (int j = 0; FAR && j < panelVectors; j++) __builtin_prefetch(far + j * LANES, 1);
    far += cRow;
    for (; n < end; n++) {
      vf right[panelVectors];
#pragma GCC unroll 4
      for (int j = 0; j < panelVectors; j++) right[j] = load(b + j * LANES);
#pragma GCC unroll 16
      for (int i = 0; i < ROWS; i++) {
        const vf left = all(a[i * aRow]);
#pragma GCC unroll 4
        for (int j = 0; j < panelVectors; j++) sum[i][j] = multiplyAdd<PAIRED>(left, right[j], sum[i][j]);
      }
      a += aStep;
      b += bStep;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 4
    for (int j = 0; j < panelVectors; j++) {
      float* to = c + i * cRow + j * LANES;
      store(to, add ? load(to) + sum[i][j] : sum[i][j]);
    }
}

// How far apart in a packed strip the rows and the steps along k are: fixed, so that addresses need one register.
// Rows: each row's units lie together (A was stored by rows). Columns: the units of one k lie together (A was stored by
// columns).
constexpr int64_t depth = 256;
constexpr int64_t stripRow = depth + 16;

// Apart: as columns, but those of one k are `stripRow` from the next, with other strips between.
enum Order { byRows, byColumns, apart };

typedef void (*TileKernel)(int64_t k, const float* a, const float* b, float* c, int64_t cRow, bool add);

template <int ROWS, bool PAIRED, Order ORDER>
void stripTile(int64_t k, const float* a, const float* b, float* c, int64_t cRow, bool add) {
  registerTile<ROWS, PAIRED>(k, a, ORDER == byRows ? stripRow : 1, ORDER == byRows ? 1 : ORDER == apart ? stripRow : registerRows, b, panel,
                             c, cRow, add);
}

template <bool PAIRED, Order ORDER>
TileKernel stripKernel(int rows) {
  switch (rows) {
    case 1: return stripTile<1, PAIRED, ORDER>;
    case 2: return stripTile<2, PAIRED, ORDER>;
    case 3: return stripTile<3, PAIRED, ORDER>;
    case 4: return stripTile<4, PAIRED, ORDER>;
    case 5: return stripTile<5, PAIRED, ORDER>;
    case 6: return stripTile<6, PAIRED, ORDER>;
#if LANES == 16 || defined(__aarch64__)
    case 7: return stripTile<7, PAIRED, ORDER>;
    case 8: return stripTile<8, PAIRED, ORDER>;
#endif
#if LANES == 16
    case 9: return stripTile<9, PAIRED, ORDER>;
    case 10: return stripTile<10, PAIRED, ORDER>;
    case 11: return stripTile<11, PAIRED, ORDER>;
    case 12: return stripTile<12, PAIRED, ORDER>;
    case 13: return stripTile<13, PAIRED, ORDER>;
    case 14: return stripTile<14, PAIRED, ORDER>;
#endif
    default: return nullptr;
  }
}

}  // namespace
}  // namespace trainyard
