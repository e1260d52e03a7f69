// Eight lanes with fused multiply-add.
#if defined(__x86_64__)
#define LANES 8
#include "../detect.h"
#include "../kernels/path.h"

TRAINYARD_PATH(pathAvx2, "avx2", "AVX2 with fused multiply-add", trainyard::hasAvx2);
#endif
