// Sixteen lanes, and bf16 dot products where the processor has them.
#if defined(__x86_64__)
#define LANES 16
#include "../detect.h"
#include "../kernels/path.h"

TRAINYARD_PATH(pathAvx512Bf16, "avx512-bf16", "AVX-512 with bf16 dot products", trainyard::hasAvx512Bf16);
#endif
