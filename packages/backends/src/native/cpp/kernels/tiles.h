// Matrix tiles (AMX): a 32 × 32 block of C from bf16 strips, by four tiles of 16 × 16. With TRAINYARD_TILES_EMULATED the same
// code runs on a plain model of the tile instructions, so that its packing and indexing are tested on every machine.
#pragma once

#include "tile.h"

#if defined(TRAINYARD_TILES)
#if !defined(TRAINYARD_TILES_EMULATED)
#include <immintrin.h>
#endif

namespace trainyard {
namespace {

// Units (pairs of bf16) that one tile holds along k.
constexpr int64_t tileUnits = 16;

#if defined(TRAINYARD_TILES_EMULATED)

// Intel's Software Developer's Manual, volume 2: TILELOADD, TILEZERO, TDPBF16PS and TILESTORED with 16 rows of 64 bytes.
struct Tile {
  float rows[16][16];
};
FORCE void tileZero(Tile& t) { std::memset(&t, 0, sizeof t); }
FORCE void tileLoad(Tile& t, const float* from, int64_t row) {
  for (int i = 0; i < 16; i++) std::memcpy(t.rows[i], from + i * row, 64);
}
FORCE void tileStore(const Tile& t, float* to, int64_t row) {
  for (int i = 0; i < 16; i++) std::memcpy(to + i * row, t.rows[i], 64);
}
FORCE float upper(uint32_t b) {
  b &= 0xffff0000u;
  float f;
  std::memcpy(&f, &b, 4);
  return f;
}
static void tileMultiply(Tile& c, const Tile& a, const Tile& b) {
  for (int m = 0; m < 16; m++)
    for (int k = 0; k < 16; k++) {
      uint32_t left;
      std::memcpy(&left, &a.rows[m][k], 4);
      for (int n = 0; n < 16; n++) {
        uint32_t right;
        std::memcpy(&right, &b.rows[k][n], 4);
        c.rows[m][n] += upper(left << 16) * upper(right << 16);
        c.rows[m][n] += upper(left) * upper(right);
      }
    }
}
FORCE void tilesOpen() {}
FORCE void tilesClose() {}

static void tileBlock(int64_t k, const float* a, const float* b, float* c) {
  Tile c00, c01, c10, c11, a0, a1, b0, b1;
  tileZero(c00), tileZero(c01), tileZero(c10), tileZero(c11);
  for (int64_t n = 0; n < k; n += tileUnits) {
    tileLoad(b0, b + n * panel, panel);
    tileLoad(b1, b + n * panel + 16, panel);
    tileLoad(a0, a + n, stripRow);
    tileLoad(a1, a + 16 * stripRow + n, stripRow);
    tileMultiply(c00, a0, b0);
    tileMultiply(c01, a0, b1);
    tileMultiply(c10, a1, b0);
    tileMultiply(c11, a1, b1);
  }
  tileStore(c00, c, panel);
  tileStore(c01, c + 16, panel);
  tileStore(c10, c + 16 * panel, panel);
  tileStore(c11, c + 16 * panel + 16, panel);
}

#else

// Eight tiles of 16 rows of 64 bytes. g++ 12 does not see that LDTILECFG reads memory, hence the empty statement.
static void tilesOpen() {
  alignas(64) uint8_t configuration[64] = {};
  configuration[0] = 1;
  for (int t = 0; t < 8; t++) {
    configuration[16 + 2 * t] = 64;
    configuration[48 + t] = 16;
  }
  asm volatile("" ::"r"(&configuration) : "memory");
  _tile_loadconfig(&configuration);
}
static void tilesClose() { _tile_release(); }

// c [32, panel] = Σ k over units of a [32, k] (rows stripRow apart) and b [k, panel].
static void tileBlock(int64_t k, const float* a, const float* b, float* c) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t n = 0; n < k; n += tileUnits) {
    _tile_loadd(6, b + n * panel, panel * 4);
    _tile_loadd(4, a + n, stripRow * 4);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + n * panel + 16, panel * 4);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + 16 * stripRow + n, stripRow * 4);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, panel * 4);
  _tile_stored(1, c + 16, panel * 4);
  _tile_stored(2, c + 16 * panel, panel * 4);
  _tile_stored(3, c + 16 * panel + 16, panel * 4);
}

#endif

}  // namespace
}  // namespace trainyard

#endif
