#include "config/builder.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/value.hpp"

namespace howdah::config {
namespace {

constexpr int kPeerIdMax = 16383;

// "(pgbouncer.ini:12)", "(command line)": where a message's mistake stands.
std::string place(const Origin& origin) {
    return origin.kind == Origin::Kind::kFile
               ? fmt::format(" in configuration ({}:{})", origin.file, origin.line)
               : fmt::format(" ({})", origin.text());
}

template <typename S>
std::vector<std::string_view> names_of(std::span<const Option<S>> options) {
    std::vector<std::string_view> names;
    for (const auto& option : options) {
        names.push_back(option.name);
    }
    return names;
}

bool is_secret_key(std::string_view key) {
    return key.find("password") != std::string_view::npos;
}

}  // namespace

Builder::Builder(bool pgbouncer, std::vector<Diagnostic> diagnostics)
    : config_(std::make_shared<Config>()), diagnostics_(std::move(diagnostics)) {
    config_->pgbouncer = pgbouncer;
    config_->settings = default_settings(pgbouncer);
}

void Builder::set_conffile(const std::string& path) {
    config_->settings.conffile = path;
}

void Builder::report(Severity severity, const Origin& origin, std::string key,
                     std::string message) {
    diagnostics_.push_back(diagnose(severity, origin, std::move(key), std::move(message)));
}

template <typename S>
void Builder::unknown(const Entry& entry, std::string message, std::span<const Option<S>> options) {
    report(Severity::kError, entry.origin, entry.key, message + place(entry.origin));
    diagnostics_.back().nearest = nearest(entry.key, names_of(options));
}

template <typename S>
void Builder::apply_option(const Entry& entry, S& target, std::span<const Option<S>> options) {
    const auto* option = find_option(options, entry.key);
    if (option == nullptr) {
        const std::string_view what = entry.scope == Scope::kUser
                                          ? "unrecognized user parameter"
                                          : "unrecognized connection parameter";
        return unknown(entry, fmt::format("{}: {}", what, entry.key), options);
    }
    if (auto done = set_option(*option, target, entry.value); !done) {
        const std::string shown = is_secret_key(entry.key) ? "****" : entry.value;
        report(Severity::kError, entry.origin, entry.key,
               fmt::format("invalid value \"{}\" for parameter {}{}: {}", shown, entry.key,
                           place(entry.origin), done.error().message));
    }
}

void Builder::apply(const Entry& entry) {
    switch (entry.scope) {
        case Scope::kGlobal:
            return apply_global(entry);
        case Scope::kDatabase:
            return apply_database(entry);
        case Scope::kUser:
            return apply_user(entry);
        case Scope::kPeer:
            return apply_peer(entry);
        case Scope::kHba:
            hba_lines_.push_back(entry);
    }
}

void Builder::apply_global(const Entry& entry) {
    const bool alias = entry.key == "service_name";
    const std::string key = alias ? "job_name" : entry.key;
    const auto* option = find_option(global_options(), key);
    if (option == nullptr) {
        return unknown(entry,
                       fmt::format("unknown parameter: {}{}",
                                   config_->pgbouncer ? "pgbouncer/" : "", entry.key),
                       global_options());
    }
    if (key == "auth_dbname" && is_console_database(entry.value)) {
        return report(Severity::kError, entry.origin, entry.key,
                      reserved_auth_dbname(entry.value) + place(entry.origin));
    }
    if (const Origin before = origin_of(key); !config_->pgbouncer &&
                                              entry.origin.kind == Origin::Kind::kFile &&
                                              before.kind == Origin::Kind::kFile) {
        return report(Severity::kError, entry.origin, entry.key,
                      fmt::format("{} is set twice: {} and {}", entry.key, before.text(),
                                  entry.origin.text()));
    }
    if (auto done = set_option(*option, config_->settings, entry.value); !done) {
        return report(Severity::kError, entry.origin, entry.key,
                      fmt::format("invalid value \"{}\" for parameter {}{}: {}", entry.value,
                                  entry.key, place(entry.origin), done.error().message));
    }
    config_->origins.insert_or_assign(key, entry.origin);
}

void Builder::apply_database(const Entry& entry) {
    if (is_console_database(entry.name)) {
        if (entry.key.empty()) {
            report(Severity::kError, entry.origin, entry.name,
                   fmt::format("database name \"{0}\" is reserved{1}: the console answers to it; "
                               "give the entry another name, and dbname={0}",
                               entry.name, place(entry.origin)));
        }
        return;
    }
    DatabaseSettings* target = nullptr;
    if (entry.name == "*") {
        if (!config_->autodb || entry.key.empty()) {
            config_->autodb.emplace();
        }
        target = &*config_->autodb;
    } else {
        const auto found = config_->databases.find(entry.name);
        if (entry.key.empty() && found != config_->databases.end()) {
            report(Severity::kWarning, entry.origin, entry.name,
                   fmt::format("database \"{}\" is defined again{}: the one at {} is dropped",
                               entry.name, place(entry.origin), found->second.origin.text()));
            found->second = {};
        }
        target = &config_->databases[entry.name];
    }
    if (entry.key.empty()) {
        target->name = entry.name;
        target->origin = entry.origin;
        return;
    }
    Entry named = entry;
    if (named.key == "reserve_pool") {
        named.key = "reserve_pool_size";
    }
    apply_option(named, *target, database_options());
}

void Builder::apply_user(const Entry& entry) {
    UserSettings& target = config_->users[entry.name];
    if (entry.key.empty()) {
        target = {};
        target.name = entry.name;
        target.origin = entry.origin;
        return;
    }
    if (target.name.empty()) {  // --upstream knows this user's password, and nothing else of him
        target.name = entry.name;
        target.origin = entry.origin;
    }
    if (entry.key == "password" && entry.origin.kind == Origin::Kind::kFile && config_->pgbouncer) {
        return report(Severity::kError, entry.origin, entry.key,
                      fmt::format("unrecognized user parameter: password{}: in a pgbouncer.ini a "
                                  "user's password stands in the auth_file",
                                  place(entry.origin)));
    }
    apply_option(entry, target, user_options());
}

void Builder::apply_peer(const Entry& entry) {
    int id = 0;
    if (!parse_value(entry.name, id) || id < 1 || id > kPeerIdMax) {
        if (entry.key.empty()) {
            report(Severity::kError, entry.origin, entry.name,
                   fmt::format("ids of peers must be a number from 1 to {}: {}{}", kPeerIdMax,
                               entry.name, place(entry.origin)));
        }
        return;
    }
    PeerSettings& target = config_->peers[id];
    if (entry.key.empty()) {
        target = {};
        target.id = id;
        target.origin = entry.origin;
        return;
    }
    apply_option(entry, target, peer_options());
}

Origin Builder::origin_of(const std::string& option) const {
    const auto found = config_->origins.find(option);
    return found == config_->origins.end() ? Origin{} : found->second;
}

LoadOutcome Builder::finish() {
    if (!hba_lines_.empty() && !config_->origins.contains("auth_type")) {
        config_->settings.auth_type = AuthType::kHba;
        config_->origins["auth_type"] = hba_lines_.front().origin;
    }
    finish_addresses();
    finish_users();
    finish_hba();
    finish_ldap();
    check_together();
    const bool wrong =
        std::any_of(diagnostics_.begin(), diagnostics_.end(),
                    [](const Diagnostic& d) { return d.severity == Severity::kError; });
    return {wrong ? nullptr : ConfigPtr(std::move(config_)), std::move(diagnostics_)};
}

void Builder::finish_addresses() {
    const auto finish = [&](auto& entry, std::string_view name, std::string_view port) {
        auto addresses = parse_addresses(entry.host, entry.port.empty() ? port : entry.port);
        if (addresses) {
            entry.addresses = std::move(*addresses);
        } else {
            report(Severity::kError, entry.origin, std::string(name),
                   fmt::format("{}{}", addresses.error().message, place(entry.origin)));
        }
    };
    for (auto& [name, database] : config_->databases) {
        finish(database, name, "5432");
    }
    if (config_->autodb) {
        finish(*config_->autodb, "*", "5432");
    }
    for (auto& [id, peer] : config_->peers) {
        if (peer.host.empty()) {
            report(Severity::kError, peer.origin, std::to_string(id),
                   fmt::format("host was not provided for peer {}{}", id, place(peer.origin)));
            continue;
        }
        finish(peer, std::to_string(id), "6432");
    }
}

}  // namespace howdah::config
