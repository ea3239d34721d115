// docs/configuration.md, from the option tables. `howdah config reference` prints it.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "config/options.hpp"

namespace howdah::config {
namespace {

using Out = std::back_insert_iterator<std::string>;

std::string in_table(std::string text) {
    for (std::size_t i = 0; (i = text.find('|', i)) != std::string::npos; i += 2) {
        text.replace(i, 1, "\\|");
    }
    return text;
}

std::string default_text(const char* value) {
    if (value == nullptr) {
        return "not set";
    }
    return *value == '\0' ? "empty" : fmt::format("`{}`", value);
}

template <typename S>
std::string type_text(const Option<S>& option) {
    std::string text = option.field.type();
    if (!option.unit.empty()) {
        text = fmt::format("{}, {}", text, option.unit);
    }
    constexpr auto kNoLimit = std::numeric_limits<std::int64_t>::max();
    if (option.low != 0 && option.high == kNoLimit) {
        text += fmt::format(", from {}", option.low);
    } else if (option.high != kNoLimit) {
        text += fmt::format(", {} to {}", option.low, option.high);
    }
    return text;
}

void global_option(Out out, const Option<Settings>& option) {
    std::string value = default_text(option.value);
    if (option.howdah_value != nullptr) {
        value = fmt::format("{} (in pgbouncer.ini: {})", default_text(option.howdah_value), value);
    }
    fmt::format_to(out, "| `{}` | {} | {} | {} | {} |\n", option.name, type_text(option),
                   in_table(value), option.restart ? "restart" : "reload, SET",
                   in_table(std::string(option.help)));
}

template <typename S>
void scoped_options(Out out, std::span<const Option<S>> options) {
    fmt::format_to(out, "| option | type | default | meaning |\n|---|---|---|---|\n");
    for (const auto& option : options) {
        fmt::format_to(out, "| `{}` | {} | {} | {} |\n", option.name, type_text(option),
                       default_text(option.value), in_table(std::string(option.help)));
    }
    fmt::format_to(out, "\n");
}

constexpr std::string_view kIntroduction =
    R"(<!-- Made by `howdah config reference`; a test holds it against the option table. -->
# Configuration

howdah reads a TOML file, PgBouncer's ini file as it is, or no file at all:

```sh
howdah serve --config howdah.toml
howdah serve pgbouncer.ini
howdah serve --upstream postgres://app:secret@db.example.com/shop
howdah serve                         # what PGHOST, PGUSER and the others say
```

`--upstream` is completed as psql would: by the `PG*` variables, the service file and `~/.pgpass`. Its
user can log in with its password, and may look at the console (`stats_users`) where no file says who
may.

`howdah config check FILE` names file, line, key and the nearest valid key of every mistake, in a
howdah.toml also in `[lint]`, `[migrate]` and `[deploy]`, which those commands read;
`howdah config show --config FILE` prints the effective values and where each came from. A later
source wins: defaults, the file or `--upstream`, the environment (`HOWDAH_` and the option's name in
capitals, `HOWDAH_POOL_MODE=session`), the command line. A wrong configuration never starts, and
never replaces a running one.

```toml
[proxy]
listen_addr = ["127.0.0.1", "::1"]
pool_mode = "transaction"
query_wait_timeout = "30s"
hba = ["hostssl all all 10.0.0.0/8 scram-sha-256"]   # lines of pg_hba.conf

[databases.shop]
host = "db1.example.com,db2.example.com"
user = "app"
password = "${SHOP_PASSWORD}"       # from the environment; or password_file = "path"
pool_size = 40

[databases."*"]                      # every other name
host = "db1.example.com"

[users.alice]
password_file = "/run/secrets/alice" # plain, md5 or SCRAM-SHA-256
pool_mode = "session"

[peers.2]
host = "/run/howdah2"
```

Times are seconds, or a number with `ms`, `s`, `min`, `h` or `d`. Booleans are `true` or `false`, or
1 and 0. Lists are separated by commas, or TOML arrays. In a TOML text `${NAME}` is replaced by the
environment's value (`$${` stays `${`).

In pgbouncer.ini the same names stand under `[pgbouncer]`, and the databases, users and peers are
lines of `name = key=value ...`; `%include` works. Options that PgBouncer does not have can be used
there too.

)";

}  // namespace

std::string reference_markdown() {
    std::string text(kIntroduction);
    const Out out = std::back_inserter(text);
    std::vector<std::string_view> groups;
    for (const auto& option : global_options()) {
        groups.push_back(option.group);
    }
    std::sort(groups.begin(), groups.end());
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    for (const std::string_view group : groups) {
        fmt::format_to(out, "## {}\n\n| option | type | default | changes by | meaning |\n", group);
        fmt::format_to(out, "|---|---|---|---|---|\n");
        for (const auto& option : global_options()) {
            if (option.group == group) {
                global_option(out, option);
            }
        }
        fmt::format_to(out, "\n");
    }
    fmt::format_to(out,
                   "## [databases.NAME]\n\nWhat is not set here is taken from the user, then "
                   "from the options above.\n\n");
    scoped_options(out, database_options());
    fmt::format_to(out, "## [users.NAME]\n\n");
    scoped_options(out, user_options());
    fmt::format_to(out,
                   "## [peers.N]\n\nOther howdah processes to which cancel requests are "
                   "forwarded.\n\n");
    scoped_options(out, peer_options());
    text.pop_back();
    return text;
}

std::string migration_table_markdown() {
    std::string text = "| option | in pgbouncer.ini | in howdah.toml |\n|---|---|---|\n";
    const Out out = std::back_inserter(text);
    for (const auto& option : global_options()) {
        if (!option.own && option.howdah_value == nullptr) {
            continue;
        }
        fmt::format_to(out, "| `{}` | {} | {} |\n", option.name,
                       option.own && option.howdah_value == nullptr
                           ? default_text(option.value) + " (howdah's own)"
                           : default_text(option.value),
                       default_text(option.default_for(false)));
    }
    return text;
}

}  // namespace howdah::config
