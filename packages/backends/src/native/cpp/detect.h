// What this processor and its operating system allow.
#pragma once

namespace trainyard {
int hasAvx2();
int hasAvx512();
int hasAvx512Bf16();
// Whether bf16 dot products in vector registers outrun float32's multiply-add.
int quickBf16Dots();
// Asks the system for the tiles' state, once.
int hasAmx();
}  // namespace trainyard
