#include "base/log.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <syslog.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <iterator>
#include <mutex>

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

void append_json_string(fmt::memory_buffer& out, std::string_view text) {
    out.push_back('"');
    for (const char c : clean_utf8(text)) {  // names come from clients, in any encoding
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
        } else if (static_cast<unsigned char>(c) < 0x20) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
            out.push_back(c);
        }
    }
    out.push_back('"');
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
        for (const char c : line.message) {
            out.push_back(c == '\n' || c == '\r' ? ' ' : c);  // one event, one line
        }
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
        ::syslog(kLevelNames[static_cast<std::size_t>(level)].syslog_priority, "%.*s",
                 static_cast<int>(message.size()), message.data());
    }
}

}  // namespace howdah::log
