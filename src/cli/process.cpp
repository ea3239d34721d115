#include "cli/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/log.hpp"

namespace howdah::cli {
namespace {

std::unexpected<Error> failed(std::string what) {
    const int error = errno;
    return fail(ErrorCode::kIo, fmt::format("{}: {}", what, std::strerror(error)));
}

// The process id in the file; 0: there is none.
long pid_in(const std::string& path) {
    std::ifstream file(path);
    long pid = 0;
    file >> pid;
    return file.fail() ? 0 : pid;
}

}  // namespace

Result<> check_pidfile(const std::string& path) {
    if (path.empty() || ::access(path.c_str(), F_OK) != 0) {
        return {};
    }
    const long pid = pid_in(path);
    if (pid <= 0 || ::kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH) {
        return fail(ErrorCode::kUnavailable,
                    fmt::format("pidfile '{}' exists, another instance running?", path));
    }
    log::info("stale pidfile, removing");
    if (::unlink(path.c_str()) != 0) {
        return failed("could not remove stale pidfile");
    }
    return {};
}

Result<> write_pidfile(const std::string& path, bool replace) {
    if (path.empty()) {
        return {};
    }
    const int how = replace ? O_TRUNC : O_EXCL;
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | how, 0644);
    if (fd < 0) {
        return failed(fmt::format("could not open pidfile '{}'", path));
    }
    const std::string text = fmt::format("{}\n", ::getpid());
    const bool written = ::write(fd, text.data(), text.size()) == std::ssize(text);
    ::close(fd);
    if (!written) {
        return failed(fmt::format("could not write pidfile '{}'", path));
    }
    return {};
}

void remove_pidfile(const std::string& path) {
    if (!path.empty() && pid_in(path) == ::getpid()) {
        ::unlink(path.c_str());
    }
}

Result<> become_daemon() {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) {
        return failed("could not open /dev/null");
    }
    // Twice: the first gives back the caller's prompt, the second gives up the terminal for good.
    for (int i = 0; i < 2; ++i) {
        const pid_t child = ::fork();
        if (child < 0) {
            return failed("fork failed");
        }
        if (child > 0) {
            ::_exit(0);
        }
        if (i == 0 && ::setsid() < 0) {
            return failed("setsid failed");
        }
    }
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        ::dup2(null, fd);
    }
    ::close(null);
    return {};
}

Result<> drop_to_user(const std::string& user) {
    if (user.empty() || ::geteuid() != 0) {
        return {};
    }
    errno = 0;
    const passwd* entry = ::getpwnam(user.c_str());
    if (entry == nullptr) {
        return fail(ErrorCode::kNotFound, fmt::format("could not find user '{}'", user));
    }
    if (::initgroups(user.c_str(), entry->pw_gid) != 0 || ::setgid(entry->pw_gid) != 0 ||
        ::setuid(entry->pw_uid) != 0) {
        return failed(fmt::format("could not become user '{}'", user));
    }
    if (entry->pw_uid != 0 && ::setuid(0) == 0) {
        return fail(ErrorCode::kInternal, "root could be had back after giving it up");
    }
    return {};
}

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace howdah::cli
