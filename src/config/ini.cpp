// pgbouncer.ini: [section], key = value, %include; ; and # begin a comment at the line's start
// only.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "config/entry.hpp"
#include "config/value.hpp"

namespace howdah::config {
namespace {

constexpr int kIncludeDepthMax = 10;
constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kFileBytesMax = 64 * 1024 * 1024;  // a million users in an auth_file
constexpr std::string_view kSections[] = {"pgbouncer", "databases", "users", "peers"};

bool is_key_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_.-*").find(c) != std::string_view::npos;
}

class IniReader {
  public:
    // False: reading stops here (a mistake that leaves the rest without meaning).
    bool read(std::string_view text, const std::string& path, int depth) {
        for (int line = 1; !text.empty(); ++line) {
            const std::size_t end = std::min(text.find('\n'), text.size());
            const Origin origin{Origin::Kind::kFile, path, line};
            if (!read_line(trimmed(text.substr(0, end)), origin, depth)) {
                return false;
            }
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        return true;
    }

    bool read_file_at(const std::string& path, const Origin& origin, int depth) {
        const auto text = read_file(path);
        if (!text) {
            error(origin, "", text.error().message);
            return false;
        }
        return read(*text, path, depth);
    }

    Parsed take() {
        if (!has_main_section_ && parsed_.diagnostics.empty()) {
            error({}, "", "main section missing from config file");
        }
        return std::move(parsed_);
    }

  private:
    void error(const Origin& origin, std::string key, std::string message) {
        parsed_.diagnostics.push_back(
            diagnose(Diagnostic::Severity::kError, origin, std::move(key), std::move(message)));
    }

    bool syntax_error(const Origin& origin) {
        error(origin, "",
              fmt::format("syntax error in configuration ({}:{}), stopping loading", origin.file,
                          origin.line));
        return false;
    }

    bool read_line(std::string_view line, const Origin& origin, int depth) {
        if (line.empty() || line.front() == ';' || line.front() == '#') {
            return true;
        }
        if (line.starts_with("%include ") || line.starts_with("%include\t")) {
            return include(std::string(trimmed(line.substr(8))), origin, depth);
        }
        while (line.starts_with('[')) {
            const std::size_t end = line.find(']');
            if (end == std::string_view::npos) {
                return syntax_error(origin);
            }
            section(std::string(line.substr(1, end - 1)), origin);
            line = trimmed(line.substr(end + 1));
        }
        if (line.empty() || line.front() == ';' || line.front() == '#') {
            return true;
        }
        std::string key;
        if (!take_key(line, key)) {
            return syntax_error(origin);
        }
        line = trimmed(line);
        if (!line.starts_with('=')) {
            return syntax_error(origin);
        }
        value(key, trimmed(line.substr(1)), origin);
        return true;
    }

    bool include(const std::string& path, const Origin& origin, int depth) {
        if (depth >= kIncludeDepthMax) {
            error(origin, "",
                  fmt::format("include nesting level too deep ({}:{}), stopping loading",
                              origin.file, origin.line));
            return false;
        }
        if (!read_file_at(path, origin, depth + 1)) {
            error(origin, "",
                  fmt::format(
                      "error processing include file in configuration ({}:{}), stopping loading",
                      origin.file, origin.line));
            return false;
        }
        return true;
    }

    void section(std::string name, const Origin& origin) {
        section_ = std::move(name);
        if (std::find(std::begin(kSections), std::end(kSections), section_) ==
            std::end(kSections)) {
            Diagnostic diagnostic =
                diagnose(Diagnostic::Severity::kError, origin, section_,
                         fmt::format("invalid section \"{}\" in configuration ({}:{})", section_,
                                     origin.file, origin.line));
            diagnostic.nearest = nearest(section_, kSections);
            parsed_.diagnostics.push_back(std::move(diagnostic));
            section_known_ = false;
            return;
        }
        section_known_ = true;
        if (section_ == "pgbouncer" && has_main_section_) {
            parsed_.diagnostics.push_back(diagnose(
                Diagnostic::Severity::kWarning, origin, section_,
                fmt::format("section [pgbouncer] begins again ({}:{}): its settings are added; "
                            "PgBouncer would forget the earlier ones",
                            origin.file, origin.line)));
        }
        has_main_section_ = has_main_section_ || section_ == "pgbouncer";
    }

    // Takes a key, quoted with ' or " if need be, off the front of the line.
    static bool take_key(std::string_view& line, std::string& key) {
        const char quote = line.front();
        std::size_t i = 0;
        if (quote != '\'' && quote != '"') {
            i = static_cast<std::size_t>(std::find_if_not(line.begin(), line.end(), is_key_char) -
                                         line.begin());
            key = line.substr(0, i);
        } else {
            for (i = 1;; ++i) {
                if (i >= line.size()) {
                    return false;
                }
                if (line[i] == quote) {
                    if (line.substr(i + 1, 1) != std::string_view(&quote, 1)) {
                        ++i;
                        break;
                    }
                    ++i;
                }
                key.push_back(line[i]);
            }
        }
        line.remove_prefix(i);
        return !key.empty();
    }

    void value(const std::string& key, std::string_view text, const Origin& origin) {
        if (section_.empty()) {
            return error(origin, key,
                         fmt::format("load_init_file: value without section: {} ({}:{})", key,
                                     origin.file, origin.line));
        }
        if (!section_known_) {
            return;
        }
        if (section_ == "pgbouncer") {
            parsed_.entries.push_back({Scope::kGlobal, "", key, std::string(text), origin});
            return;
        }
        const Scope scope = section_ == "databases" ? Scope::kDatabase
                            : section_ == "users"   ? Scope::kUser
                                                    : Scope::kPeer;
        auto pairs = parse_connect_string(text);
        if (!pairs) {
            return error(origin, key,
                         fmt::format("{} of {} \"{}\" ({}:{})",
                                     scope == Scope::kUser ? "syntax error in user settings"
                                                           : "syntax error in connection string",
                                     section_.substr(0, section_.size() - 1), key, origin.file,
                                     origin.line));
        }
        parsed_.entries.push_back({scope, key, "", "", origin});
        for (auto& pair : *pairs) {
            parsed_.entries.push_back(
                {scope, key, std::move(pair.key), std::move(pair.value), origin});
        }
    }

    Parsed parsed_;
    std::string section_;
    bool section_known_ = false;
    bool has_main_section_ = false;
};

}  // namespace

Result<std::string> read_file(const std::string& path) {
    const auto failed = [&](const char* why) {
        return fail(ErrorCode::kIo, fmt::format("could not load file \"{}\": {}", path, why));
    };
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return failed(std::strerror(errno));
    }
    std::string text;
    ssize_t got = 0;
    do {
        const std::size_t size = text.size();
        text.resize(size + kReadBytes);
        got = ::read(fd, text.data() + size, kReadBytes);
        text.resize(size + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    } while ((got > 0 || (got < 0 && errno == EINTR)) && text.size() <= kFileBytesMax);
    const int error = errno;
    ::close(fd);
    if (got < 0) {
        errno = error;
        return failed(std::strerror(error));
    }
    if (text.size() > kFileBytesMax) {
        errno = EFBIG;
        return failed(std::strerror(EFBIG));
    }
    return text;
}

Diagnostic diagnose(Diagnostic::Severity severity, const Origin& origin, std::string key,
                    std::string message) {
    const bool file = origin.kind == Origin::Kind::kFile;
    return {severity,       file ? origin.file : "", file ? origin.line : 0,
            std::move(key), std::move(message),      ""};
}

Parsed parse_ini_text(std::string_view text, const std::string& path) {
    IniReader reader;
    reader.read(text, path, 0);
    return reader.take();
}

Parsed parse_ini(const std::string& path) {
    IniReader reader;
    reader.read_file_at(path, Origin{Origin::Kind::kFile, path, 0}, 0);
    return reader.take();
}

}  // namespace howdah::config
