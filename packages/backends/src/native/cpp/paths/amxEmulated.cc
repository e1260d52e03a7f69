// The AMX path on a plain model of its tile instructions, for testing its packing and indexing on any machine. Very slow;
// never chosen unless asked for.
#define LANES 16
#define TRAINYARD_TILES
#define TRAINYARD_TILES_EMULATED
#include "../kernels/path.h"

static int supported() { return 1; }
TRAINYARD_PATH(pathAmxEmulated, "amx-emulated", "AMX tiles in software, for tests", supported);
