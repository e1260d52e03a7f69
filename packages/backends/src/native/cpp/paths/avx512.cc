// Sixteen lanes; bf16 products are rounded operands in float32.
#if defined(__x86_64__)
#define LANES 16
#include "../detect.h"
#include "../kernels/path.h"

TRAINYARD_PATH(pathAvx512, "avx512", "AVX-512", trainyard::hasAvx512);
#endif
