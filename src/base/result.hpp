// Errors of the outside world, as values.
//
// Whatever a peer, a file, a user or PostgreSQL can cause is a Result<T>; a broken invariant of our
// own is an ASSERT (assert.hpp). Context is added once, where it is known.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace howdah {

// What kind of failure this is, for code that decides on it. SQLSTATE is for the client.
enum class ErrorCode {
    kInvalidInput,  // the caller's text, file or option is wrong
    kProtocol,      // a peer broke the PostgreSQL protocol
    kIo,            // a socket or file failed
    kTimeout,       // a deadline passed
    kCancelled,     // somebody asked us to stop
    kRefused,       // authentication, permission or a limit
    kNotFound,
    kUnavailable,  // no server, no connection
    kServer,       // PostgreSQL answered with an ErrorResponse
    kInternal,
};

// One failure: `message` says what happened and where, `hint` what to do next. `sqlstate` is the
// five characters of PostgreSQL's Appendix A, or empty where no SQL client will see it.
struct Error {
    ErrorCode code = ErrorCode::kInternal;
    std::string sqlstate;
    std::string message;
    std::string hint;

    Error(ErrorCode error_code, std::string text) : code(error_code), message(std::move(text)) {}
    Error(ErrorCode error_code, std::string state, std::string text, std::string what_to_do = {})
        : code(error_code),
          sqlstate(std::move(state)),
          message(std::move(text)),
          hint(std::move(what_to_do)) {}
};

template <typename T = void>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
    return std::unexpected(Error(code, std::move(message)));
}

[[nodiscard]] inline std::unexpected<Error> fail(Error error) {
    return std::unexpected(std::move(error));
}

// Puts "context: " in front of the message; used where the file, host or step is known.
[[nodiscard]] inline std::unexpected<Error> fail_in(std::string_view context, Error error) {
    error.message = std::string(context) + ": " + error.message;
    return std::unexpected(std::move(error));
}

}  // namespace howdah

#define HOWDAH_CONCAT_(a, b) a##b
#define HOWDAH_CONCAT(a, b) HOWDAH_CONCAT_(a, b)

// TRY(auto value, expression): value, or return the error of the expression.
#define TRY(declaration, ...) \
    TRY_IMPL_(HOWDAH_CONCAT(try_result_, __LINE__), declaration, return, __VA_ARGS__)
#define CO_TRY(declaration, ...) \
    TRY_IMPL_(HOWDAH_CONCAT(try_result_, __LINE__), declaration, co_return, __VA_ARGS__)
#define TRY_IMPL_(name, declaration, leave, ...)        \
    auto name = (__VA_ARGS__);                          \
    if (!name) {                                        \
        leave std::unexpected(std::move(name).error()); \
    }                                                   \
    declaration = std::move(*name)

// TRY_VOID(expression): go on, or return the error.
#define TRY_VOID(...) TRY_VOID_IMPL_(return, __VA_ARGS__)
#define CO_TRY_VOID(...) TRY_VOID_IMPL_(co_return, __VA_ARGS__)
#define TRY_VOID_IMPL_(leave, ...)                                     \
    do {                                                               \
        if (auto try_void_result = (__VA_ARGS__); !try_void_result) {  \
            leave std::unexpected(std::move(try_void_result).error()); \
        }                                                              \
    } while (false)
