#include "cli/main_loop.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <memory>
#include <utility>

namespace howdah::cli {

Result<std::unique_ptr<MainLoop>> MainLoop::create() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) {
        ::sigaddset(&set, signal);
    }
    ::signal(SIGPIPE, SIG_IGN);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::unique_ptr<MainLoop> loop(new MainLoop);
    loop->signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    loop->wakeup_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->signals_ < 0 || loop->wakeup_ < 0) {
        return fail(ErrorCode::kInternal, "no descriptor left for signals");
    }
    return loop;
}

MainLoop::~MainLoop() {
    for (const int fd : {signals_, wakeup_}) {
        if (fd >= 0) {
            ::close(fd);
        }
    }
}

bool MainLoop::post(std::function<void()> work) {
    {
        const std::scoped_lock lock(mutex_);
        if (closed_) {
            return false;
        }
        posted_.push_back(std::move(work));
    }
    const std::uint64_t one = 1;
    return ::write(wakeup_, &one, sizeof one) >= 0 || errno == EAGAIN;
}

void MainLoop::run_posted() {
    std::vector<std::function<void()>> work;
    {
        const std::scoped_lock lock(mutex_);
        work.swap(posted_);
    }
    for (const auto& item : work) {
        item();
    }
}

std::optional<int> MainLoop::wait(std::chrono::milliseconds timeout) {
    pollfd watched[] = {{signals_, POLLIN, 0}, {wakeup_, POLLIN, 0}};
    ::poll(watched, 2, static_cast<int>(timeout.count()));
    std::uint64_t count = 0;
    while (::read(wakeup_, &count, sizeof count) > 0) {
    }
    run_posted();
    signalfd_siginfo info{};
    if (::read(signals_, &info, sizeof info) == sizeof info) {
        return static_cast<int>(info.ssi_signo);
    }
    return std::nullopt;
}

void MainLoop::close() {
    {
        const std::scoped_lock lock(mutex_);
        closed_ = true;
    }
    run_posted();
}

}  // namespace howdah::cli
