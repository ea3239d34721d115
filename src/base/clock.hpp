// The clocks, for what runs on ordinary threads. On a loop, time is Loop::now().
#pragma once

#include <chrono>

namespace howdah {

inline std::chrono::steady_clock::time_point steady_now() {
    return std::chrono::steady_clock::now();
}
inline std::chrono::system_clock::time_point wall_now() {
    return std::chrono::system_clock::now();
}

}  // namespace howdah
