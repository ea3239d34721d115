// ASSERT: an invariant of our own. On in release; prints the expression and a backtrace, aborts.
// Never on anything that a peer, a user or a server can cause (that is a Result).
#pragma once

namespace howdah {

[[noreturn]] void assert_failed(const char* expression, const char* file, int line);

}  // namespace howdah

#define ASSERT(expression)                                            \
    do {                                                              \
        if (!(expression)) [[unlikely]] {                             \
            ::howdah::assert_failed(#expression, __FILE__, __LINE__); \
        }                                                             \
    } while (false)
