// Connection strings: PgBouncer's and libpq's.
#include <fmt/format.h>

#include <algorithm>

#include "config/entry.hpp"
#include "config/value.hpp"

namespace howdah::config {
namespace {

constexpr std::string_view kSpace = " \t\r\n\f\v";

std::unexpected<Error> bad(std::string message) {
    return fail(ErrorCode::kInvalidInput, std::move(message));
}

// Takes 'quoted ''text''' off the front; `backslash`: libpq's \' and \\ instead.
bool take_quoted(std::string_view& text, std::string& value, bool backslash) {
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (backslash && text[i] == '\\' && i + 1 < text.size()) {
            ++i;
        } else if (text[i] == '\'') {
            if (backslash || text.substr(i + 1, 1) != "'") {
                text.remove_prefix(i + 1);
                return true;
            }
            ++i;
        }
        value.push_back(text[i]);
    }
    return false;
}

void skip_space(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
}

Result<std::vector<KeyValue>> parse_pairs(std::string_view text, bool libpq) {
    std::vector<KeyValue> pairs;
    for (skip_space(text); !text.empty(); skip_space(text)) {
        KeyValue pair;
        const std::size_t key_end = std::min(text.find_first_of("= \t\r\n\f\v"), text.size());
        pair.key = text.substr(0, key_end);
        text.remove_prefix(key_end);
        skip_space(text);
        if (pair.key.empty() || !text.starts_with('=')) {
            return bad("key = value expected");
        }
        text.remove_prefix(1);
        skip_space(text);
        if (text.starts_with('\'')) {
            if (!take_quoted(text, pair.value, libpq)) {
                return bad("closing quote expected");
            }
        } else {
            std::size_t i = 0;
            for (; i < text.size() && kSpace.find(text[i]) == std::string_view::npos; ++i) {
                if (libpq && text[i] == '\\' && i + 1 < text.size()) {
                    ++i;
                }
                pair.value.push_back(text[i]);
            }
            text.remove_prefix(i);
        }
        if (!libpq && pair.value.empty()) {
            return bad("a value is empty");
        }
        pairs.push_back(std::move(pair));
    }
    return pairs;
}

Result<std::string> percent_decoded(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            result.push_back(text[i]);
            continue;
        }
        int byte = 0;
        if (i + 2 >= text.size() ||
            !parse_value(fmt::format("0x{}", text.substr(i + 1, 2)), byte) || byte == 0) {
            return bad("invalid percent-encoding");
        }
        result.push_back(static_cast<char>(byte));
        i += 2;
    }
    return result;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (true) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return parts;
        }
        text.remove_prefix(end + 1);
    }
}

// Without the text: it is a piece of the password when that holds a slash.
constexpr const char* kPortIsNoNumber =
    "a port is no number; in a password, write / as %2F, @ as %40, : as %3A";

// "h1:5433,[::1],h2" as the lists host=.. and port=..
Result<> parse_authority(std::string_view text, std::vector<KeyValue>& pairs) {
    std::string hosts;
    std::string ports;
    bool has_port = false;
    for (std::string_view part : split(text, ',')) {
        std::string_view port = "5432";
        const std::size_t bracket = part.starts_with('[') ? part.find(']') : 0;
        if (bracket == std::string_view::npos) {
            return bad("closing ] expected in the host");
        }
        if (const std::size_t colon = part.find(':', bracket); colon != std::string_view::npos) {
            has_port = has_port || colon + 1 < part.size();
            port = colon + 1 < part.size() ? part.substr(colon + 1) : port;
            part = part.substr(0, colon);
            if (int number = 0; !parse_value(port, number)) {
                return bad(kPortIsNoNumber);
            }
        }
        TRY(const std::string host,
            percent_decoded(bracket > 0 ? part.substr(1, bracket - 1) : part));
        hosts.append(hosts.empty() && ports.empty() ? "" : ",").append(host);
        ports.append(ports.empty() ? "" : ",").append(port);
    }
    if (!hosts.empty()) {
        pairs.push_back({"host", hosts});
    }
    if (has_port) {
        pairs.push_back({"port", ports});
    }
    return {};
}

// scheme://[user[:password]@][hosts][/dbname][?key=value&..]
Result<std::vector<KeyValue>> parse_uri(std::string_view text) {
    std::vector<KeyValue> pairs;
    text.remove_prefix(text.find("://") + 3);
    const std::size_t question = std::min(text.find('?'), text.size());
    const std::string_view query = text.substr(std::min(question + 1, text.size()));
    text = text.substr(0, question);
    const std::size_t slash = std::min(text.find('/'), text.size());
    std::string_view authority = text.substr(0, slash);
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
        const std::string_view login = authority.substr(0, at);
        const std::size_t colon = std::min(login.find(':'), login.size());
        TRY(std::string user, percent_decoded(login.substr(0, colon)));
        pairs.push_back({"user", std::move(user)});
        if (colon < login.size()) {
            TRY(std::string password, percent_decoded(login.substr(colon + 1)));
            pairs.push_back({"password", std::move(password)});
        }
        authority.remove_prefix(at + 1);
    }
    TRY_VOID(parse_authority(authority, pairs));
    if (slash + 1 < text.size()) {
        TRY(std::string dbname, percent_decoded(text.substr(slash + 1)));
        pairs.push_back({"dbname", std::move(dbname)});
    }
    for (const std::string_view item :
         query.empty() ? std::vector<std::string_view>() : split(query, '&')) {
        const std::size_t equals = item.find('=');
        if (equals == std::string_view::npos) {
            return bad("key=value expected after ?");
        }
        TRY(std::string key, percent_decoded(item.substr(0, equals)));
        TRY(std::string value, percent_decoded(item.substr(equals + 1)));
        pairs.push_back({std::move(key), std::move(value)});
    }
    return pairs;
}

// libpq's parameters that mean the same for a pool, those that are dropped, and the rest: unknown.
constexpr std::string_view kTaken[] = {"host",
                                       "port",
                                       "dbname",
                                       "user",
                                       "password",
                                       "sslmode",
                                       "sslrootcert",
                                       "sslcert",
                                       "sslkey",
                                       "client_encoding",
                                       "application_name",
                                       "channel_binding",
                                       "load_balance_hosts"};
constexpr std::string_view kDropped[] = {"fallback_application_name",
                                         "keepalives",
                                         "keepalives_idle",
                                         "keepalives_interval",
                                         "keepalives_count",
                                         "tcp_user_timeout",
                                         "connect_timeout",
                                         "gssencmode",
                                         "sslcompression",
                                         "sslsni",
                                         "target_session_attrs",
                                         "passfile",
                                         "options",
                                         "require_auth",
                                         "krbsrvname"};

bool is_uri(std::string_view text) {
    return text.starts_with("postgres://") || text.starts_with("postgresql://");
}

bool contains(std::span<const std::string_view> names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Result<std::vector<KeyValue>> parse_connect_string(std::string_view text) {
    return parse_pairs(text, false);
}

Result<std::vector<ServerAddress>> parse_addresses(std::string_view host, std::string_view port) {
    const auto hosts = split(host, ',');
    const auto ports = split(port.empty() ? "5432" : port, ',');
    if (ports.size() != 1 && ports.size() != hosts.size()) {
        return bad(fmt::format("{} ports for {} hosts", ports.size(), hosts.size()));
    }
    std::vector<ServerAddress> addresses;
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        ServerAddress address;
        address.host = trimmed(hosts[i]);
        if (address.host.empty() && hosts.size() > 1) {
            return bad("a host in the list is empty");
        }
        const std::string_view number = trimmed(ports[ports.size() == 1 ? 0 : i]);
        if (!parse_value(number, address.port)) {
            return bad(kPortIsNoNumber);
        }
        if (address.port < 1 || address.port > 65535) {
            return bad(fmt::format("invalid port: {}", number));
        }
        addresses.push_back(std::move(address));
    }
    return addresses;
}

bool holds_password(std::string_view text) {
    const auto pairs = is_uri(text) ? parse_uri(text) : parse_pairs(text, true);
    if (!pairs) {
        return is_uri(text) || text.find("password") != std::string_view::npos;
    }
    return std::any_of(pairs->begin(), pairs->end(), [](const KeyValue& pair) {
        return pair.key == "password" || pair.key == "sslpassword";
    });
}

Parsed parse_upstream(std::string_view text) {
    Parsed parsed;
    const Origin origin{Origin::Kind::kUpstream, "", 0};
    const auto error = [&](std::string message) {
        parsed.diagnostics.push_back(diagnose(Diagnostic::Severity::kError, origin, "upstream",
                                              fmt::format("--upstream: {}", std::move(message))));
    };
    auto pairs = is_uri(text) ? parse_uri(text) : parse_pairs(text, true);
    if (!pairs) {
        error(pairs.error().message);
        return parsed;
    }
    std::string dbname;
    std::string user;
    std::string password;
    parsed.entries.push_back({Scope::kDatabase, "*", "", "", origin});
    for (auto& [key, value] : *pairs) {
        if (key == "dbname") {
            dbname = value;
        } else if (contains(kTaken, key)) {
            parsed.entries.push_back({Scope::kDatabase, "*", key, value, origin});
            user = key == "user" ? value : user;
            password = key == "password" ? value : password;
        } else if (contains(kDropped, key)) {
            parsed.diagnostics.push_back(
                diagnose(Diagnostic::Severity::kWarning, origin, key,
                         fmt::format("--upstream: \"{}\" has no effect on a pool", key)));
        } else {
            error(fmt::format("unknown parameter \"{}\"", key));
            parsed.diagnostics.back().nearest = nearest(key, kTaken);
        }
    }
    if (!dbname.empty()) {
        auto entries = parsed.entries;
        for (auto& entry : entries) {
            entry.name = dbname;
        }
        parsed.entries.insert(parsed.entries.end(), entries.begin(), entries.end());
        parsed.entries.push_back({Scope::kDatabase, dbname, "dbname", dbname, origin});
    }
    if (!user.empty() &&
        !password.empty()) {  // clients log in with what they logged in with before
        parsed.entries.push_back({Scope::kUser, user, "password", password, origin});
    }
    return parsed;
}

}  // namespace howdah::config
