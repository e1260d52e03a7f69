// Four lanes and no more than the baseline of the processor family: SSE2 on x86-64, NEON on 64-bit Arm.
#define LANES 4
#include "../kernels/path.h"

static int supported() { return 1; }
TRAINYARD_PATH(pathPortable, "portable", "four lanes, any processor", supported);
