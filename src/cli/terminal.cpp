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

bool colours_on(std::FILE* stream) {
    const auto variable = [](const char* name) {
        const char* value = std::getenv(name);
        return std::string_view(value == nullptr ? "" : value);
    };
    return isatty(fileno(stream)) == 1 && variable("NO_COLOR").empty() &&
           variable("TERM") != "dumb";
}

}  // namespace howdah::cli
