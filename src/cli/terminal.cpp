#include "cli/terminal.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace howdah::cli {

Terminal::Terminal(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {}

void Terminal::say(std::string_view line) {
    const std::lock_guard guard(mutex_);
    if (quiet_) {
        return;
    }
    fmt::print(stderr, "{}{}\n", shown_ ? "\r\x1b[K" : "", line);
    shown_ = false;
    std::fflush(stderr);
}

void Terminal::progress(std::string_view line) {
    const std::lock_guard guard(mutex_);
    if (!terminal_ || quiet_ || (line.empty() && !shown_)) {
        return;
    }
    fmt::print(stderr, "\r\x1b[K{}", line);
    shown_ = !line.empty();
    std::fflush(stderr);
}

namespace {

sigset_t ending_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    return signals;
}

}  // namespace

SignalWatch::SignalWatch(migrate::runner::Interrupt& interrupt) {
    const sigset_t signals = ending_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    thread_ = std::thread([this, &interrupt] {
        const sigset_t wanted = ending_signals();
        const timespec tick{.tv_sec = 0, .tv_nsec = 100'000'000};
        while (!ending_) {
            if (sigtimedwait(&wanted, nullptr, &tick) > 0) {
                interrupt.request();
            }
        }
    });
}

SignalWatch::~SignalWatch() {
    ending_ = true;
    thread_.join();
    const sigset_t signals = ending_signals();
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

int report_error(std::string_view command, const Error& error) {
    fmt::print(stderr, "howdah {}: {}{}\n", command, error.message,
               error.sqlstate.empty() ? "" : " (" + error.sqlstate + ")");
    if (!error.hint.empty()) {
        fmt::print(stderr, "  {}\n", error.hint);
    }
    switch (error.code) {
        case ErrorCode::kInvalidInput:
        case ErrorCode::kNotFound:
            return 2;
        case ErrorCode::kUnavailable:
        case ErrorCode::kTimeout:
        case ErrorCode::kIo:
            return 3;
        default:
            return 1;
    }
}

std::string database_from_environment() {
    for (const char* name : {"PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGPORT"}) {
        if (std::getenv(name) != nullptr) {
            return {};
        }
    }
    const char* url = std::getenv("DATABASE_URL");
    return url != nullptr ? url : "";
}

}  // namespace howdah::cli
