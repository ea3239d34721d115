// Task<T>: a lazy coroutine, awaited by exactly one other, resumed on its loop only.
//
// 1. Nothing runs until the task is awaited or given to a TaskGroup.
// 2. The awaiting coroutine owns the task and with it the frame; a frame dies after its end.
// 3. Exceptions do not cross: what a library throws is caught where it is called; anything that
//    escapes a coroutine ends the process, for no state could be trusted after it.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "base/assert.hpp"

namespace howdah::net {

namespace detail {

struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) noexcept {
        return done.promise().continuation;
    }
    void await_resume() noexcept {}
};

struct PromiseBase {
    std::coroutine_handle<> continuation = std::noop_coroutine();
    std::suspend_always initial_suspend() noexcept { return {}; }
    FinalAwaiter final_suspend() noexcept { return {}; }
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
};

}  // namespace detail

template <typename T = void>
class [[nodiscard]] Task {
  public:
    struct promise_type : detail::PromiseBase {
        std::optional<T> value;
        Task get_return_object() {
            return Task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        template <typename U>
        void return_value(U&& result) {
            value.emplace(std::forward<U>(result));
        }
    };

    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Task& operator=(Task&&) = delete;
    ~Task() {
        if (handle_) {
            handle_.destroy();
        }
    }

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
        handle_.promise().continuation = awaiting;
        return handle_;
    }
    T await_resume() { return std::move(*handle_.promise().value); }

  private:
    explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
};

template <>
class [[nodiscard]] Task<void> {
  public:
    struct promise_type : detail::PromiseBase {
        Task get_return_object() {
            return Task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        void return_void() {}
    };

    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Task& operator=(Task&&) = delete;
    ~Task() {
        if (handle_) {
            handle_.destroy();
        }
    }

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
        handle_.promise().continuation = awaiting;
        return handle_;
    }
    void await_resume() {}

  private:
    explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
};

// TaskGroup: the only way to start a coroutine that nobody awaits. Counts what runs; close() waits
// until all of it has ended. Whoever owns the group tells its tasks to stop by their own means.
class TaskGroup {
  public:
    TaskGroup() = default;
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;
    ~TaskGroup() { ASSERT(running_ == 0); }

    // Runs `task` at once up to its first suspension.
    void spawn(Task<void> task) {
        ++running_;
        run(std::move(task));
    }
    std::size_t running() const { return running_; }

    // Suspends until no task runs. One waiter.
    auto close() {
        struct Awaiter {
            TaskGroup& group;
            bool await_ready() const { return group.running_ == 0; }
            void await_suspend(std::coroutine_handle<> waiter) { group.waiter_ = waiter; }
            void await_resume() {}
        };
        return Awaiter{*this};
    }

  private:
    struct Root {
        struct promise_type {
            Root get_return_object() { return {}; }
            std::suspend_never initial_suspend() noexcept { return {}; }
            std::suspend_never final_suspend() noexcept { return {}; }
            void return_void() {}
            [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
        };
    };

    Root run(Task<void> task) {
        co_await std::move(task);
        finish();
    }
    void finish() {
        --running_;
        if (running_ == 0 && waiter_) {
            std::exchange(waiter_, nullptr).resume();
        }
    }

    std::size_t running_ = 0;
    std::coroutine_handle<> waiter_;
};

}  // namespace howdah::net
