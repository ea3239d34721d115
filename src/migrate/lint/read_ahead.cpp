#include "migrate/lint/read_ahead.hpp"

#include <algorithm>

namespace howdah::migrate::lint {

ReadAhead::ReadAhead(const LintInput& input) : input_(input) {
    const std::size_t files = input.project.files.size();
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    const unsigned wanted = input.config.threads == 0 ? cores : input.config.threads;
    // A thread costs more than a small file.
    const std::size_t threads = files < 4 ? 0 : std::min<std::size_t>(wanted, files / 2);
    for (std::size_t i = 0; i < threads; ++i) {
        threads_.emplace_back([this] { work(); });
    }
}

ReadAhead::~ReadAhead() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    changed_.notify_all();
}

Result<Script> ReadAhead::load(std::size_t index) const {
    const MigrationFile& file = input_.project.files[index];
    Result<std::string> text = input_.read(file);
    if (!text) {
        return fail(std::move(text).error());
    }
    return read_script(std::move(*text), input_.project.tool);
}

void ReadAhead::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return stop_ || next_ < taken_ + kAheadMax; });
        if (stop_ || next_ >= input_.project.files.size()) {
            return;
        }
        const std::size_t index = next_++;
        lock.unlock();
        Result<Script> script = load(index);
        lock.lock();
        ready_.emplace(index, std::move(script));
        changed_.notify_all();
    }
}

Result<Script> ReadAhead::take(std::size_t index) {
    if (threads_.empty()) {
        return load(index);
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ready_.contains(index); });
    auto node = ready_.extract(index);
    taken_ = index + 1;
    lock.unlock();
    changed_.notify_all();
    return std::move(node.mapped());
}

}  // namespace howdah::migrate::lint
