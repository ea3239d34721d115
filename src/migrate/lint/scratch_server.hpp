// ScratchServer: a PostgreSQL of our own for a moment: a temporary folder, a unix socket, no TCP.
// Started as an unprivileged user when we are root (PostgreSQL refuses root). Stopped and removed
// by the destructor.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "base/result.hpp"

namespace howdah::migrate::lint {

class ScratchServer {
  public:
    // `bin_folder`: with initdb and postgres; empty = the newest under /usr/lib/postgresql, or
    // PATH's pg_config. kUnavailable when there is none or it does not come up within 60 s.
    static Result<ScratchServer> start(const std::string& bin_folder = {});

    ScratchServer(ScratchServer&& other) noexcept;
    ScratchServer& operator=(ScratchServer&&) = delete;
    ~ScratchServer();

    std::string conninfo(const std::string& database = "postgres") const;

  private:
    ScratchServer(std::filesystem::path folder, pid_t process)
        : folder_(std::move(folder)), process_(process) {}

    std::filesystem::path folder_;
    pid_t process_ = -1;
};

}  // namespace howdah::migrate::lint
