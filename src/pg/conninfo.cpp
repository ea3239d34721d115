#include "pg/conninfo.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>
#include <string_view>

#include "pg/connection.hpp"
#include "pg/libpq.hpp"

namespace howdah::pg {
namespace {

std::string quoted_value(std::string_view value) {
    std::string out = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out + "'";
}

struct FreeOptions {
    void operator()(PQconninfoOption* options) const { libpq().PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, FreeOptions>;

// libpq's complaint without the text that it quotes, which may hold the password.
std::string without_quotation(std::string_view message) {
    if (message.starts_with("missing \"=\" after")) {
        return "neither a URI (postgresql://user@host/database) nor KEY=VALUE words";
    }
    if (message.starts_with("invalid connection option")) {
        const std::size_t open = message.find('"');
        const std::size_t close = message.rfind('"');
        const std::string_view option = message.substr(open + 1, close - open - 1);
        const bool word = std::ranges::all_of(
            option, [](char c) { return (c >= 'a' && c <= 'z') || c == '_' || c == '-'; });
        if (!word) {  // of a URI that is none, most likely
            return "what stands before the first \"=\" is no option of a connection";
        }
    } else if (!message.starts_with("invalid URI query parameter")) {
        message = message.substr(0, message.rfind(": \""));
    }
    return std::string(message.substr(0, message.find_last_not_of(" \n") + 1));
}

// Null for a database's name alone.
Result<Options> parse(const std::string& conninfo) {
    if (conninfo.find('=') == std::string::npos && !conninfo.starts_with("postgres://") &&
        !conninfo.starts_with("postgresql://")) {
        return Options();
    }
    TRY_VOID(load_libpq());
    char* message = nullptr;
    Options options(libpq().PQconninfoParse(conninfo.c_str(), &message));
    const std::unique_ptr<char, void (*)(void*)> owner(message, libpq().PQfreemem);
    if (options == nullptr) {
        return fail(Error(ErrorCode::kInvalidInput, "",
                          "the connection string is wrong: " +
                              without_quotation(message != nullptr ? message : "out of memory"),
                          "as psql takes it: postgresql://user@host/database (special characters "
                          "in a password as %40), host=... dbname=..., or PG* variables"));
    }
    return options;
}

void append(std::string& out, std::string_view keyword, std::string_view value) {
    out.append(out.empty() ? "" : " ").append(keyword).append("=").append(quoted_value(value));
}

template <typename Visit>
void each_set(const Options& options, const Visit& visit) {
    for (const PQconninfoOption* option = options.get();
         option != nullptr && option->keyword != nullptr; ++option) {
        if (option->val != nullptr) {
            visit(*option);
        }
    }
}

// Says where others of the same string are; once looked up it says nothing.
bool is_looked_up(std::string_view keyword) {
    return keyword == "service" || keyword == "passfile";
}

// What decides where and as whom to log in; the rest of psql's variables are about psql.
bool decides(std::string_view keyword) {
    constexpr std::string_view kDeciding[] = {"host",        "hostaddr",       "port",    "dbname",
                                              "user",        "sslmode",        "sslcert", "sslkey",
                                              "sslrootcert", "channel_binding"};
    return std::ranges::find(kDeciding, keyword) != std::end(kDeciding);
}

}  // namespace

Result<std::string> completed(const std::string& conninfo) {
    TRY_VOID(load_libpq());
    TRY(const Options said, parse(conninfo));
    std::string out;
    std::set<std::string_view> keywords;
    const auto add = [&](std::string_view keyword, std::string_view value) {
        if (!value.empty() && keywords.insert(keyword).second) {
            append(out, keyword, value);
        }
    };
    add("dbname", said == nullptr ? std::string_view(conninfo) : "");
    bool service = std::getenv("PGSERVICE") != nullptr;
    each_set(said, [&](const PQconninfoOption& option) {
        service = service || option.keyword == std::string_view("service");
        if (!is_looked_up(option.keyword)) {
            add(option.keyword, option.val);
        }
    });
    // libpq looks into the password file only on the way to a connection; this one ends at once.
    const char* const names[] = {"dbname", nullptr};
    const char* const values[] = {conninfo.c_str(), nullptr};
    const std::unique_ptr<PGconn, void (*)(PGconn*)> conn(
        libpq().PQconnectStartParams(names, values, 1), libpq().PQfinish);
    const Options all(conn == nullptr ? nullptr : libpq().PQconninfo(conn.get()));
    if (all == nullptr) {
        return fail(ErrorCode::kInternal, "libpq is out of memory");
    }
    each_set(all, [&](const PQconninfoOption& option) {
        const std::string_view built_in = option.compiled == nullptr ? "" : option.compiled;
        const bool named = (service && option.val != built_in) ||
                           (option.envvar != nullptr && std::getenv(option.envvar) != nullptr);
        if (named && decides(option.keyword)) {
            add(option.keyword == std::string_view("hostaddr") ? "host" : option.keyword,
                option.val);
        }
    });
    add("password", libpq().PQpass(conn.get()));
    if (const char* host = libpq().PQhost(conn.get());
        host != nullptr && !keywords.contains("hostaddr")) {
        add("host", host);
    }
    return out;
}

Result<> check_conninfo(const std::string& conninfo) {
    TRY_VOID(parse(conninfo));
    return {};
}

Result<std::string> with_database(const std::string& conninfo, const std::string& database) {
    TRY(const Options options, parse(conninfo));
    std::string out;
    each_set(options, [&](const PQconninfoOption& option) {
        if (option.keyword != std::string_view("dbname")) {
            append(out, option.keyword, option.val);
        }
    });
    append(out, "dbname", database);
    return out;
}

Result<std::vector<std::pair<std::string, std::string>>> as_environment(
    const std::string& conninfo) {
    TRY(const Options options, parse(conninfo));
    std::vector<std::pair<std::string, std::string>> variables;
    if (options == nullptr && !conninfo.empty()) {
        variables.emplace_back("PGDATABASE", conninfo);
    }
    each_set(options, [&](const PQconninfoOption& option) {
        if (option.envvar != nullptr) {
            variables.emplace_back(option.envvar, option.val);
        }
    });
    return variables;
}

std::string without_password(std::string_view conninfo) {
    std::string text(conninfo);
    if (const std::size_t scheme = text.find("://"); scheme != std::string::npos) {
        const std::size_t host = text.find('@', scheme + 3);
        const std::size_t colon = text.find(':', scheme + 3);
        if (host != std::string::npos && colon < host) {
            text.replace(colon + 1, host - colon - 1, "***");
        }
    }
    for (std::size_t at = text.find("password"); at != std::string::npos;
         at = text.find("password", at + 1)) {
        const std::size_t equals = text.find_first_not_of(' ', at + 8);
        if (equals == std::string::npos || text[equals] != '=') {
            continue;
        }
        const std::size_t value = text.find_first_not_of(' ', equals + 1);
        if (value == std::string::npos) {
            break;
        }
        const bool quoted = text[value] == '\'';
        std::size_t end = value + (quoted ? 1 : 0);
        while (end < text.size() &&
               (quoted ? text[end] != '\'' : text[end] != ' ' && text[end] != '&')) {
            end += text[end] == '\\' ? 2 : 1;
        }
        text.replace(value, std::min(end + (quoted ? 1 : 0), text.size()) - value, "***");
    }
    return text;
}

}  // namespace howdah::pg
