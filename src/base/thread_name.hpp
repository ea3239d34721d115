// What tools that show threads (top -H, perf, gdb) call the calling one.
#pragma once

#include <pthread.h>

#include <algorithm>
#include <string>

namespace howdah {

// At most 15 characters are kept, all that Linux has room for.
inline void name_this_thread(std::string name) {
    constexpr std::size_t kCharactersMax = 15;
    name.resize(std::min(name.size(), kCharactersMax));
    ::pthread_setname_np(::pthread_self(), name.c_str());
}

}  // namespace howdah
