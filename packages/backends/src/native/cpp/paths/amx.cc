// Sixteen lanes, and bf16 products in matrix tiles.
#if defined(__x86_64__)
#define LANES 16
#define TRAINYARD_TILES
#include "../detect.h"
#include "../kernels/path.h"

TRAINYARD_PATH(pathAmx, "amx", "AMX bf16 tiles and AVX-512", trainyard::hasAmx);
#endif
