// Packed copies of held weights, and where they lie.
#include "session.h"

#if !defined(TRAINYARD_DEBUG) && (defined(__linux__) || defined(__APPLE__))
#define TRAINYARD_MAPPED
#endif

namespace trainyard {

// A packed copy and its slot, which it gives back.
struct Session::Copy {
  Copy(Session& session, size_t bytes) : session(session), bytes(bytes), place(session.placeFor(bytes)) {}
  ~Copy() {
    if (packed.slot < 0) return;
    session.freeSlots_.push_back(packed.slot);
    session.packedBytes_ -= bytes;
  }
  Session& session;
  const size_t bytes;
  const std::shared_ptr<float> place;
  Packed packed = {nullptr, -1, -1, formWhole};
};

// Copies lie side by side in large blocks, so that the system can give them its large pages: reading small pages one after the other takes
// longer. A block lives as long as the last of its copies, and what one copy leaves is not used again. In the debug build each is alone.
std::shared_ptr<float> Session::placeFor(size_t bytes) {
  constexpr size_t blockBytes = 32u << 20, page = 4096;
  const size_t wanted = (bytes + page - 1) / page * page;
#if defined(TRAINYARD_MAPPED)
  auto block = block_.lock();
  if (wanted <= blockBytes / 4) {
    if (block == nullptr || blockUsed_ + wanted > block->bytes()) {
      block = std::make_shared<Memory>(blockBytes);
      block_ = block;
      blockUsed_ = 0;
    }
    float* at = block->floats() + blockUsed_ / 4;
    blockUsed_ += wanted;
    return std::shared_ptr<float>(block, at);
  }
#endif
  const auto alone = std::make_shared<Memory>(bytes);
  return std::shared_ptr<float>(alone, alone->floats());
}

std::shared_ptr<Packed> Session::packed(int held, bool transposed, Form form, int64_t k, int64_t n) {
  auto& known = packs_[{held, transposed, form}];
  if (auto mine = known.lock()) return mine;
  const size_t bytes = form == formInt8  ? path_.int8Size(k, n)
                       : form == formCache ? (size_t)(k * n) * 2
                                           : path_.packedSize(k, n, precision_) * (form == formBf16 ? 2 : 4);
  const auto copy = std::make_shared<Copy>(*this, bytes);
  if (freeSlots_.empty()) {
    // All that may fail comes before the first change: the workers' lists must not differ in length.
    const size_t slots = (size_t)slots_ + 1;
    freeSlots_.reserve(slots);
    for (auto& mine : packedVersions_) mine.reserve(slots);
    for (auto& mine : packedVersions_) mine.push_back(0);
    freeSlots_.push_back(slots_++);
  }
  const int slot = freeSlots_.back();
  freeSlots_.pop_back();
  // A cache that nobody has written is zeros, as its copy is.
  for (auto& mine : packedVersions_) mine[(size_t)slot] = form == formCache && versions_[0][(size_t)held] == 1 ? 1 : 0;
  packedBytes_ += bytes;
  copy->packed = {copy->place.get(), held, slot, form};
  std::shared_ptr<Packed> made(copy, &copy->packed);
  known = made;
  return made;
}

}  // namespace trainyard
