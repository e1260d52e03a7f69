// Failures made for tests. In the debug build the nth allocation, Node-API call or thread start from a given moment on fails, so that a
// test can fail each of them in turn. The linker leads calls of this addon here (`--wrap`, see build.mjs).
#pragma once

#include <cstdint>

namespace trainyard {

#if defined(TRAINYARD_DEBUG)
// The `nth` from now on fails, once or, when `lasting`, with all that follow; 0: none. Returns whether one failed since the last call.
bool failAt(int64_t nth, bool lasting);
// Whether what is about to be done is to fail.
bool failsNow();
#else
inline bool failsNow() { return false; }
#endif

}  // namespace trainyard
