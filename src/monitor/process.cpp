#include "monitor/process.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace howdah::monitor {
namespace {

// Seconds since 1970 at which the machine started.
double boot_seconds() {
    std::ifstream stat("/proc/stat");
    std::string word;
    double seconds = 0;
    while (stat >> word) {
        if (word == "btime" && stat >> seconds) {
            return seconds;
        }
    }
    return 0;
}

}  // namespace

ProcessUsage process_usage() {
    ProcessUsage usage;
    std::ifstream file("/proc/self/stat");
    std::string line;
    std::getline(file, line);
    // Fields are counted from behind the name, which may hold anything: state is field 3.
    const std::size_t name_end = line.rfind(')');
    if (name_end == std::string::npos) {
        return usage;
    }
    std::istringstream fields(line.substr(name_end + 1));
    std::string field;
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    for (int number = 3; number <= 24 && fields >> field; ++number) {
        switch (number) {
            case 14:
            case 15:
                usage.cpu_seconds += std::stod(field) / ticks;
                break;
            case 20:
                usage.threads = std::stoull(field);
                break;
            case 22:
                usage.start_seconds = boot_seconds() + std::stod(field) / ticks;
                break;
            case 23:
                usage.virtual_bytes = std::stoull(field);
                break;
            case 24:
                usage.resident_bytes = std::stoull(field) * page;
                break;
            default:
                break;
        }
    }
    std::error_code ignored;
    for (auto it = std::filesystem::directory_iterator("/proc/self/fd", ignored);
         it != std::filesystem::directory_iterator(); it.increment(ignored)) {
        ++usage.open_fds;
    }
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        usage.max_fds = limit.rlim_cur;
    }
    return usage;
}

}  // namespace howdah::monitor
