#include "migrate/deploy/command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

extern char** environ;

namespace howdah::migrate::runner {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTimedOut = 124;  // as timeout(1) does

class Pipe {
  public:
    Pipe() { good_ = ::pipe2(ends_.data(), O_CLOEXEC) == 0; }
    ~Pipe() {
        close_write();
        if (good_) {
            ::close(ends_[0]);
        }
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    bool good() const { return good_; }
    int read_end() const { return ends_[0]; }
    int write_end() const { return ends_[1]; }
    void close_write() {
        if (good_ && ends_[1] >= 0) {
            ::close(ends_[1]);
            ends_[1] = -1;
        }
    }

  private:
    std::array<int, 2> ends_{-1, -1};
    bool good_ = false;
};

// Ours without the names that the call sets, then the call's.
std::vector<std::string> environment_of(const Environment& added) {
    std::vector<std::string> all;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        const std::string_view name = text.substr(0, text.find('='));
        bool replaced = false;
        for (const auto& [key, value] : added) {
            replaced |= key == name;
        }
        if (!replaced) {
            all.emplace_back(text);
        }
    }
    for (const auto& [key, value] : added) {
        all.push_back(key + "=" + value);
    }
    return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (std::string& text : texts) {
        all.push_back(text.data());
    }
    all.push_back(nullptr);
    return all;
}

Result<pid_t> spawn(const CommandCall& call, int output) {
    std::vector<std::string> arguments =
        call.program.empty() ? std::vector<std::string>{"/bin/sh", "-c", call.shell} : call.program;
    std::vector<std::string> environment = environment_of(call.environment);
    const std::vector<char*> argv = pointers(arguments);
    const std::vector<char*> envp = pointers(environment);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);  // ours blocks SIGINT and SIGTERM
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    pid_t pid = 0;
    const int error = posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), envp.data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        return fail(ErrorCode::kIo,
                    fmt::format("cannot run {}: {}", arguments[0], std::strerror(error)));
    }
    return pid;
}

void keep_last(std::string& output, std::string_view piece) {
    output.append(piece);
    if (output.size() > 2 * kOutputMax) {
        output.erase(0, output.size() - kOutputMax);
    }
}

// Until the pipe's other end is closed; false when the deadline passed first.
bool read_all(int from, Clock::time_point deadline, const CommandCall& call, std::string& output) {
    std::array<char, 4096> buffer{};
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd entry{.fd = from, .events = POLLIN, .revents = 0};
        if (left.count() <= 0) {
            return false;
        }
        if (::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000))) <=
            0) {
            continue;
        }
        const ssize_t size = ::read(from, buffer.data(), buffer.size());
        if (size == 0 || (size < 0 && errno != EINTR)) {
            return true;
        }
        if (size > 0) {
            const std::string_view piece(buffer.data(), static_cast<std::size_t>(size));
            keep_last(output, piece);
            if (call.on_output) {
                call.on_output(piece);
            }
        }
    }
}

}  // namespace

Result<CommandResult> run_command(const CommandCall& call) {
    Pipe pipe;
    if (!pipe.good()) {
        return fail(ErrorCode::kIo, fmt::format("no pipe: {}", std::strerror(errno)));
    }
    const auto begun = Clock::now();
    TRY(const pid_t pid, spawn(call, pipe.write_end()));
    pipe.close_write();
    CommandResult result;
    result.timed_out = !read_all(pipe.read_end(), begun + std::chrono::seconds(call.timeout_s),
                                 call, result.output);
    if (result.timed_out) {
        ::kill(-pid, SIGKILL);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (result.timed_out) {
        result.status = kTimedOut;
    }
    if (result.output.size() > kOutputMax) {
        result.output.erase(0, result.output.size() - kOutputMax);
    }
    result.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    return result;
}

}  // namespace howdah::migrate::runner
