#include "config/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "config/builder.hpp"
#include "config/entry.hpp"
#include "config/options.hpp"
#include "config/value.hpp"

namespace howdah::config {
namespace {

std::string environment_name(std::string_view option) {
    std::string name = "HOWDAH_";
    for (const char c : option) {
        name.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
    }
    return name;
}

// Without a file there would be nobody who may ask what howdah sees.
void show_to_own_user(std::vector<Entry>& entries) {
    const auto user = std::ranges::find(entries, Scope::kUser, &Entry::scope);
    if (user != entries.end()) {
        entries.push_back({Scope::kGlobal, "", "stats_users", user->name, user->origin});
    }
}

Parsed read_source(const LoadRequest& request) {
    Parsed parsed;
    if (request.file.ends_with(".toml")) {
        parsed = parse_toml(request.file, request.environment);
    } else if (!request.file.empty()) {
        parsed = parse_ini(request.file);
    }
    if (request.upstream) {
        Parsed upstream = parse_upstream(*request.upstream);
        if (request.file.empty()) {
            show_to_own_user(upstream.entries);
        }
        std::move(upstream.entries.begin(), upstream.entries.end(),
                  std::back_inserter(parsed.entries));
        std::move(upstream.diagnostics.begin(), upstream.diagnostics.end(),
                  std::back_inserter(parsed.diagnostics));
    }
    return parsed;
}

void append_overrides(const LoadRequest& request, std::vector<Entry>& entries) {
    for (const auto& option : global_options()) {
        const std::string name = environment_name(option.name);
        if (const auto text = request.environment ? request.environment(name) : std::nullopt) {
            entries.push_back({Scope::kGlobal,
                               "",
                               std::string(option.name),
                               *text,
                               {Origin::Kind::kEnvironment, name, 0}});
        }
    }
    for (const auto& [name, value] : request.overrides) {
        entries.push_back({Scope::kGlobal, "", name, value, {Origin::Kind::kCommandLine, "", 0}});
    }
}

}  // namespace

std::optional<std::string> process_environment(std::string_view name) {
    const char* value = std::getenv(std::string(name).c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::string Diagnostic::text() const {
    return nearest.empty() ? message : fmt::format("{}; did you mean \"{}\"?", message, nearest);
}

bool is_console_database(std::string_view name) {
    return name == "pgbouncer" || name == "howdah";
}

const DatabaseSettings* Config::entry(std::string_view name) const {
    if (const auto found = databases.find(name); found != databases.end()) {
        return &found->second;
    }
    return autodb && !is_console_database(name) ? &*autodb : nullptr;
}

std::optional<DatabaseSettings> Config::database(std::string_view name) const {
    const DatabaseSettings* found = entry(name);
    if (found == nullptr) {
        return std::nullopt;
    }
    DatabaseSettings made = *found;
    made.name = name;
    return made;
}

LoadOutcome load(const LoadRequest& request) {
    Parsed parsed = read_source(request);
    append_overrides(request, parsed.entries);
    const bool pgbouncer = !request.file.empty() && !request.file.ends_with(".toml");
    Builder builder(pgbouncer, std::move(parsed.diagnostics));
    builder.set_conffile(request.file);
    for (const auto& entry : parsed.entries) {
        builder.apply(entry);
    }
    return builder.finish();
}

Result<ConfigPtr> set(const ConfigPtr& config, std::string_view name, std::string_view value) {
    const auto* option = find_option(global_options(), name);
    if (option == nullptr) {
        return fail(ErrorCode::kNotFound, fmt::format("unknown parameter: pgbouncer/{}", name));
    }
    if (option->restart) {
        return config;
    }
    if (name == "auth_dbname" && is_console_database(value)) {
        return fail(ErrorCode::kInvalidInput, reserved_auth_dbname(value));
    }
    auto changed = std::make_shared<Config>(*config);
    if (auto done = set_option(*option, changed->settings, value); !done) {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("invalid value for {}: {}", name, done.error().message));
    }
    if (name == "auth_ldap_options") {
        TRY(changed->ldap, read_ldap_options(changed->settings));
    }
    if (name == "slow_query_explain") {
        TRY_VOID(check_explain(changed->settings));
    }
    changed->origins.insert_or_assign(std::string(name), Origin{Origin::Kind::kSet, "", 0});
    return changed;
}

ConfigPtr refresh_userlist(const ConfigPtr& config) {
    const std::string& path = config->settings.auth_file;
    if (path.empty() || (config->userlist && config->userlist->stamp == file_stamp(path))) {
        return nullptr;
    }
    auto changed = std::make_shared<Config>(*config);
    std::vector<FileProblem> ignored;
    changed->userlist = read_userlist(*changed, ignored);
    return changed;
}

ConfigPtr without_restart_changes(const Config& old_config, const ConfigPtr& new_config) {
    auto merged = std::make_shared<Config>(*new_config);
    for (const auto& option : global_options()) {
        if (!option.restart) {
            continue;
        }
        // The old text was accepted once: it is again.
        (void)set_option(option, merged->settings, option.field.get(old_config.settings));
        const auto origin = old_config.origins.find(option.name);
        merged->origins.erase(std::string(option.name));
        if (origin != old_config.origins.end()) {
            merged->origins.insert(*origin);
        }
    }
    return merged;
}

}  // namespace howdah::config
