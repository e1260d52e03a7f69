#include "detect.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace trainyard {
namespace {

struct Leaf {
  unsigned a, b, c, d;
};
Leaf leaf(unsigned number, unsigned part) {
  Leaf l = {0, 0, 0, 0};
  if (__get_cpuid_max(0, nullptr) >= number) __cpuid_count(number, part, l.a, l.b, l.c, l.d);
  return l;
}
bool bit(unsigned word, int at) { return (word >> at & 1) != 0; }

// The register sets that the system saves: bits 1 and 2 SSE and AVX, 5 to 7 AVX-512, 17 and 18 tiles.
unsigned saved() {
  if (!bit(leaf(1, 0).c, 27)) return 0;
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

}  // namespace

int hasAvx2() {
  return (saved() & 0x6) == 0x6 && bit(leaf(1, 0).c, 12) && bit(leaf(1, 0).c, 29) && bit(leaf(7, 0).b, 5);
}
int hasAvx512() {
  const unsigned b = leaf(7, 0).b;
  return hasAvx2() && (saved() & 0xe0) == 0xe0 && bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31);
}
// With VPDPBUSD, which every processor with bf16 dot products has.
int hasAvx512Bf16() { return hasAvx512() && bit(leaf(7, 1).a, 5) && bit(leaf(7, 0).c, 11); }

// VDPBF16PS starts every cycle on AMD's cores. On Intel's (measured on a Xeon of family 6, model 207) it takes more than two
// where two float32 multiply-adds start each cycle: half the rate, so that products of rounded operands in float32 win.
int quickBf16Dots() {
  const Leaf vendor = leaf(0, 0);
  return hasAvx512Bf16() && vendor.b == 0x68747541 && vendor.d == 0x69746e65 && vendor.c == 0x444d4163 ? 1 : 0;
}

int hasAmx() {
#if defined(__linux__)
  static const int answer = [] {
    const unsigned d = leaf(7, 0).d;
    if (!hasAvx512Bf16() || !bit(d, 22) || !bit(d, 24) || (saved() & 0x60000) != 0x60000) return 0;
    constexpr long requestPermission = 0x1023, tileData = 18;
    return syscall(SYS_arch_prctl, requestPermission, tileData) == 0 ? 1 : 0;
  }();
  return answer;
#else
  return 0;
#endif
}

}  // namespace trainyard
#else
namespace trainyard {
int quickBf16Dots() { return 0; }
}  // namespace trainyard
#endif
