// Every parser of configuration on arbitrary bytes. The first byte picks the format. What names
// another file is left out: a fuzzer must not read the machine's files.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "config/builder.hpp"
#include "config/entry.hpp"
#include "config/hba.hpp"
#include "config/userlist.hpp"
#include "config/value.hpp"

using namespace howdah::config;

namespace {

bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

void build(Parsed parsed, bool pgbouncer) {
    Builder builder(pgbouncer, std::move(parsed.diagnostics));
    for (const auto& entry : parsed.entries) {
        if (!entry.key.ends_with("_file")) {
            builder.apply(entry);
        }
    }
    const LoadOutcome outcome = builder.finish();
    const bool wrong =
        std::any_of(outcome.diagnostics.begin(), outcome.diagnostics.end(),
                    [](const auto& d) { return d.severity == Diagnostic::Severity::kError; });
    ASSERT((outcome.config == nullptr) == wrong);
    if (outcome.config != nullptr) {
        ASSERT(difference(*outcome.config, *outcome.config).empty());
        (void)config_rows(*outcome.config);
    }
}

void run_hba(std::string_view text) {
    if (has(text, "@")) {
        return;
    }
    const HbaFile file = parse_hba(text, "fuzz", {});
    ConnectionFacts facts;
    facts.database = "db";
    facts.user = "user";
    (void)file.hba.evaluate(facts);
    facts.address = parse_ip("::1");
    (void)file.hba.evaluate(facts);
    (void)parse_network(text);
}

void run_ident(std::string_view text) {
    for (const auto& map : parse_ident(text, "fuzz").maps) {
        (void)map->allows("system", "user");
    }
}

void run_values(std::string_view text) {
    bool flag = false;
    int number = 0;
    Duration time{};
    NameList list;
    (void)parse_value(text, flag);
    (void)parse_value(text, number);
    (void)parse_value(text, list);
    if (parse_value(text, time)) {
        ASSERT(time.count() >= 0);
    }
    (void)parse_connect_string(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Environment environment = [](std::string_view) { return std::optional<std::string>(); };
    Userlist users;
    switch (data[0]) {
        case 'i':
            if (!has(text, "%include")) {
                build(parse_ini_text(text, "fuzz.ini"), true);
            }
            break;
        case 't':
            if (!has(text, "_file")) {
                build(parse_toml_text(text, "fuzz.toml", environment), false);
            }
            break;
        case 'u':
            build(parse_upstream(text), false);
            break;
        case 'h':
            run_hba(text);
            break;
        case 'm':
            run_ident(text);
            break;
        case 'l':
            (void)parse_userlist(text, "fuzz", users);
            break;
        default:
            run_values(text);
    }
    return 0;
}
