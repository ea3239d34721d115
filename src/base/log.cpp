#include "base/log.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <iterator>
#include <mutex>
#include <optional>

#include "base/utf8.hpp"

namespace howdah::log {
namespace {

struct LevelName {
    const char* text;
    int syslog_priority;
};

// PgBouncer's names: its tools match on "LOG", "WARNING", "ERROR", "FATAL", "DEBUG", "NOISE".
constexpr LevelName kLevelNames[] = {
    {"FATAL", LOG_CRIT}, {"ERROR", LOG_ERR},   {"WARNING", LOG_WARNING},
    {"LOG", LOG_INFO},   {"DEBUG", LOG_DEBUG}, {"NOISE", LOG_DEBUG},
};

struct Sinks {
    std::mutex mutex;
    Options options;
    std::string syslog_ident;  // openlog keeps the pointer
    int file_fd = -1;
    bool syslog_open = false;
    std::atomic<Level> level{Level::kInfo};
};

// The one process-wide object of this kind: every library and thread logs to the same place.
Sinks& sinks() {
    static Sinks instance;
    return instance;
}

// What a terminal obeys or what ends a line somewhere: control characters, those of U+0080 to
// U+009F among them, and Unicode's line ends. nullopt: any other character.
std::optional<unsigned> control_character(std::string_view character) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(character[i]); };
    std::optional<unsigned> number;
    if (character.size() == 1 && (byte(0) < 0x20 || byte(0) == 0x7f)) {
        number = byte(0);
    } else if (character.size() == 2 && byte(0) == 0xc2 && byte(1) < 0xa0) {
        number = byte(1);
    } else if (character == "\u2028" || character == "\u2029") {
        number = 0x2000U + byte(2) - 0x80U;
    }
    return number;
}

// `take` gets the text in characters; a byte that is none is one by itself.
template <typename Take>
void each_character(std::string_view text, const Take& take) {
    while (!text.empty()) {
        const std::size_t bytes = std::max<std::size_t>(utf8_character_bytes(text), 1);
        take(text.substr(0, bytes));
        text.remove_prefix(bytes);
    }
}

void append_json_string(fmt::memory_buffer& out, std::string_view text) {
    out.push_back('"');
    // Names come from clients, in any encoding.
    each_character(clean_utf8(text), [&out](std::string_view character) {
        if (character == "\"" || character == "\\") {
            out.push_back('\\');
            out.append(character);
        } else if (const auto control = control_character(character)) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", *control);
        } else {
            out.append(character);
        }
    });
    out.push_back('"');
}

// One event, one line: control characters become spaces. Other bytes stay as they are.
void append_text(fmt::memory_buffer& out, std::string_view text) {
    each_character(text, [&out](std::string_view character) {
        out.append(control_character(character) ? std::string_view(" ") : character);
    });
}

void append_fields(fmt::memory_buffer& out, const Fields& fields) {
    if (fields.session != 0) {
        fmt::format_to(std::back_inserter(out), R"(,"session":{})", fields.session);
    }
    if (!fields.database.empty()) {
        out.append(std::string_view(R"(,"database":)"));
        append_json_string(out, fields.database);
    }
    if (!fields.user.empty()) {
        out.append(std::string_view(R"(,"user":)"));
        append_json_string(out, fields.user);
    }
}

struct Line {
    Level level;
    std::string_view message;
    const Fields& fields;
};

void format_line(fmt::memory_buffer& out, Format format, const Line& line) {
    using std::chrono::system_clock;
    const auto now = system_clock::now();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
    const std::time_t seconds = system_clock::to_time_t(now);
    const char* name = kLevelNames[static_cast<std::size_t>(line.level)].text;
    if (format == Format::kJson) {
        fmt::format_to(
            std::back_inserter(out),
            R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:03d}Z","level":"{}","pid":{},"message":)",
            fmt::gmtime(seconds), ms.count() % 1000, name, ::getpid());
        append_json_string(out, line.message);
        append_fields(out, line.fields);
        out.push_back('}');
    } else {
        std::tm local{};
        ::localtime_r(&seconds, &local);
        fmt::format_to(std::back_inserter(out), "{:%Y-%m-%d %H:%M:%S}.{:03d} {} [{}] {} ", local,
                       ms.count() % 1000, local.tm_zone, ::getpid(), name);
        append_text(out, line.message);
    }
    out.push_back('\n');
}

void write_all(int fd, const fmt::memory_buffer& line) {
    std::size_t done = 0;
    while (done < line.size()) {
        const ssize_t n = ::write(fd, line.data() + done, line.size() - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return;  // a full disk or a closed terminal must not stop the proxy
        }
        done += static_cast<std::size_t>(n);
    }
}

int open_file(const std::string& path) {
    return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

}  // namespace

Result<> configure(const Options& options) {
    Sinks& s = sinks();
    int fd = -1;
    if (!options.file.empty()) {
        fd = open_file(options.file);
        if (fd < 0) {
            return fail(ErrorCode::kIo, fmt::format("could not open log file \"{}\": {}",
                                                    options.file, std::strerror(errno)));
        }
    }
    const std::scoped_lock lock(s.mutex);
    if (s.file_fd >= 0) {
        ::close(s.file_fd);
    }
    s.file_fd = fd;
    s.options = options;
    s.level.store(options.level, std::memory_order_relaxed);
    if (s.syslog_open) {
        ::closelog();
        s.syslog_open = false;
    }
    if (options.to_syslog) {
        s.syslog_ident = options.syslog_ident;
        constexpr std::pair<const char*, int> kFacilities[] = {
            {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV}, {"daemon", LOG_DAEMON},
            {"user", LOG_USER},     {"local0", LOG_LOCAL0},     {"local1", LOG_LOCAL1},
            {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},     {"local4", LOG_LOCAL4},
            {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},     {"local7", LOG_LOCAL7}};
        int facility = LOG_DAEMON;
        for (const auto& [name, value] : kFacilities) {
            if (options.syslog_facility == name) {
                facility = value;
            }
        }
        ::openlog(s.syslog_ident.c_str(), LOG_PID, facility);
        s.syslog_open = true;
    }
    return {};
}

void reopen() {
    Sinks& s = sinks();
    const std::scoped_lock lock(s.mutex);
    if (s.options.file.empty()) {
        return;
    }
    const int fd = open_file(s.options.file);
    if (fd < 0) {
        return;  // keep writing to the old one rather than to none
    }
    if (s.file_fd >= 0) {
        ::close(s.file_fd);
    }
    s.file_fd = fd;
}

bool enabled(Level level) {
    return level <= sinks().level.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view message, const Fields& fields) {
    Sinks& s = sinks();
    fmt::memory_buffer line;
    const std::scoped_lock lock(s.mutex);
    format_line(line, s.options.format, {level, message, fields});
    if (s.options.to_stderr) {
        write_all(STDERR_FILENO, line);
    }
    if (s.file_fd >= 0) {
        write_all(s.file_fd, line);
    }
    if (s.syslog_open) {
        fmt::memory_buffer clean;
        append_text(clean, message);
        ::syslog(kLevelNames[static_cast<std::size_t>(level)].syslog_priority, "%.*s",
                 static_cast<int>(clean.size()), clean.data());
    }
}

}  // namespace howdah::log
