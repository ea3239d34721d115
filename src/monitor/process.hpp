// What the kernel says of this process: /proc/self.
#pragma once

#include <cstdint>

namespace howdah::monitor {

struct ProcessUsage {
    double cpu_seconds = 0;
    double start_seconds = 0;  // since 1970
    std::uint64_t resident_bytes = 0;
    std::uint64_t virtual_bytes = 0;
    std::uint64_t open_fds = 0;
    std::uint64_t max_fds = 0;
    std::uint64_t threads = 0;
};

// Zeros for what cannot be read.
[[nodiscard]] ProcessUsage process_usage();

}  // namespace howdah::monitor
