// What the readers of the different formats hand to load(): one entry, one value. Private to
// config.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"
#include "config/settings.hpp"

namespace howdah::config {

enum class Scope : std::uint8_t { kGlobal, kDatabase, kUser, kPeer, kHba };

struct Entry {
    Scope scope = Scope::kGlobal;
    std::string name;  // of the database, user or peer
    std::string key;   // empty: this begins the (new) definition of `name`
    std::string value;
    Origin origin;
};

struct Parsed {
    std::vector<Entry> entries;
    std::vector<Diagnostic> diagnostics;
};

struct KeyValue {
    std::string key;
    std::string value;
};

// PgBouncer's connect strings: key=value, quoted with ' (doubled inside), no escapes.
[[nodiscard]] Result<std::vector<KeyValue>> parse_connect_string(std::string_view text);

// libpq's postgres:// URI or keyword string as entries of the database "*" and, where it names one,
// of that database.
[[nodiscard]] Parsed parse_upstream(std::string_view text);

// Whether a libpq URI or keyword string holds a password, or cannot be read and might.
[[nodiscard]] bool holds_password(std::string_view text);

// "host" and "port" lists as addresses; port may be one for all.
[[nodiscard]] Result<std::vector<ServerAddress>> parse_addresses(std::string_view host,
                                                                 std::string_view port);

[[nodiscard]] Parsed parse_ini(const std::string& path);
// The text of a file that is called `path`; what it includes is read from disk.
[[nodiscard]] Parsed parse_ini_text(std::string_view text, const std::string& path);
[[nodiscard]] Parsed parse_toml(const std::string& path, const Environment& environment);
[[nodiscard]] Parsed parse_toml_text(std::string_view text, const std::string& path,
                                     const Environment& environment);

// A whole file of at most 64 MiB; the error says "could not load file ..: why", with errno set.
[[nodiscard]] Result<std::string> read_file(const std::string& path);

[[nodiscard]] Diagnostic diagnose(Diagnostic::Severity severity, const Origin& origin,
                                  std::string key, std::string message);

}  // namespace howdah::config
