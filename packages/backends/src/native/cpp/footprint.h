// What the process holds and does not use, given back to the system before a session takes its memory.
#pragma once

namespace trainyard {

// What the C library keeps of freed memory, now and from now on.
void trimHeap();
// Pages of the program and its libraries, which come back by themselves when they are needed.
void dropProgramPages();

}  // namespace trainyard
