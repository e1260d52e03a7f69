#include "footprint.h"

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif
// Known from the headers above.
#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace trainyard {

// The C library keeps what is freed below a threshold that grows with every large block freed, and in an arena for each thread.
// Tensors that are copied in and out would so leave a hundred megabytes behind that nobody uses.
void trimHeap() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 256 << 10);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
  mallopt(M_ARENA_MAX, 2);
  malloc_trim(0);
#endif
}

// Starting Node and a pipeline touches some sixty megabytes of Node's own file, and training a tenth of them. The file is in the
// system's cache anyway, so a page that is wanted again costs a microsecond. Only mappings of files that nobody can write to and
// that hold no page of the process's own are let go: their content is the file's.
void dropProgramPages() {
#if defined(__linux__)
  struct Range {
    uintptr_t begin, end;
  };
  std::vector<Range> ranges;
  std::FILE* maps = std::fopen("/proc/self/smaps", "re");
  if (maps == nullptr) return;
  char line[8192];
  Range range = {0, 0};
  bool isFile = false;
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    uintptr_t begin, end;
    char access[5], path[2];
    unsigned long kilobytes;
    const int fields = std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %1s", &begin, &end, access, path);
    if (fields >= 3) {
      range = {begin, end};
      isFile = fields == 4 && path[0] == '/' && access[0] == 'r' && access[1] == '-' && access[3] == 'p';
    } else if (std::sscanf(line, "Anonymous: %lu kB", &kilobytes) == 1) {
      isFile = isFile && kilobytes == 0;
    } else if (std::sscanf(line, "Swap: %lu kB", &kilobytes) == 1 && isFile && kilobytes == 0) {
      ranges.push_back(range);
    }
  }
  std::fclose(maps);
  for (const Range& each : ranges) madvise(reinterpret_cast<void*>(each.begin), each.end - each.begin, MADV_DONTNEED);
#endif
}

}  // namespace trainyard
