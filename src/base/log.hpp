// The log: leveled lines to stderr, a file or syslog, as text or JSON. Any thread may log.
//
// Text lines have PgBouncer's shape, since its tools match on them:
//     2026-11-22 18:42:33.123 UTC [4711] LOG listening on 127.0.0.1:6432
// Never log literals, bind parameters or passwords.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace howdah::log {

enum class Level : std::uint8_t { kFatal, kError, kWarning, kInfo, kDebug, kNoise };
enum class Format : std::uint8_t { kText, kJson };

struct Options {
    Level level = Level::kInfo;
    Format format = Format::kText;
    bool to_stderr = true;
    std::string file;  // appended to; empty = none
    bool to_syslog = false;
    std::string syslog_ident = "howdah";
    std::string syslog_facility = "daemon";
};

// Replaces sinks and level; on failure (the file cannot be opened) the old ones stay.
[[nodiscard]] Result<> configure(const Options& options);

// Closes and opens the log file again (after logrotate moved it).
void reopen();

// What a line is about, as members of its own in JSON. Text lines say it in the message, in
// PgBouncer's way. Empty ones are left out.
struct Fields {
    std::uint64_t session = 0;
    std::string_view database = {};
    std::string_view user = {};
};

void write(Level level, std::string_view message, const Fields& fields = {});
[[nodiscard]] bool enabled(Level level);

template <typename... Args>
void emit(Level level, fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(level)) {
        write(level, fmt::format(format, std::forward<Args>(args)...));
    }
}
template <typename... Args>
void emit(Level level, const Fields& fields, fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(level)) {
        write(level, fmt::format(format, std::forward<Args>(args)...), fields);
    }
}
template <typename... Args>
void fatal(fmt::format_string<Args...> format, Args&&... args) {
    emit(Level::kFatal, format, std::forward<Args>(args)...);
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
    emit(Level::kError, format, std::forward<Args>(args)...);
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
    emit(Level::kWarning, format, std::forward<Args>(args)...);
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
    emit(Level::kInfo, format, std::forward<Args>(args)...);
}
template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
    emit(Level::kDebug, format, std::forward<Args>(args)...);
}
template <typename... Args>
void noise(fmt::format_string<Args...> format, Args&&... args) {
    emit(Level::kNoise, format, std::forward<Args>(args)...);
}
template <typename... Args>
void error(const Fields& fields, fmt::format_string<Args...> format, Args&&... args) {
    emit(Level::kError, fields, format, std::forward<Args>(args)...);
}
template <typename... Args>
void warning(const Fields& fields, fmt::format_string<Args...> format, Args&&... args) {
    emit(Level::kWarning, fields, format, std::forward<Args>(args)...);
}
template <typename... Args>
void info(const Fields& fields, fmt::format_string<Args...> format, Args&&... args) {
    emit(Level::kInfo, fields, format, std::forward<Args>(args)...);
}

}  // namespace howdah::log
