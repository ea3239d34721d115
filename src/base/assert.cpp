#include "base/assert.hpp"

#include <execinfo.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace howdah {

void assert_failed(const char* expression, const char* file, int line) {
    std::fprintf(stderr, "howdah: broken invariant: %s (%s:%d)\n", expression, file, line);
    void* frames[64];
    const int depth = ::backtrace(frames, 64);
    ::backtrace_symbols_fd(frames, depth, STDERR_FILENO);
    std::abort();
}

}  // namespace howdah
