#include "migrate/deploy/config.hpp"

#include <fmt/format.h>

#include <array>
#include <functional>
#include <map>
#include <utility>

#include "base/nearest.hpp"
#include "migrate/history/project.hpp"
#include "migrate/read_toml.hpp"

namespace howdah::migrate::runner {
namespace fs = std::filesystem;
namespace {

std::unexpected<Error> refuse(const fs::path& file, const toml::node& node, std::string message) {
    return fail(ErrorCode::kInvalidInput,
                fmt::format("{}:{}: {}", file.string(), node.source().begin.line, message));
}

// Takes a node's value; "" when it is one, else what is expected.
using Read = std::function<std::string(const toml::node&)>;
using Keys = std::map<std::string_view, Read>;

std::string unless(bool good, std::string_view expected) {
    return good ? "" : std::string(expected);
}

Read text(std::string& into) {
    return [&into](const toml::node& node) {
        into = node.value<std::string>().value_or("");
        return unless(node.is_string(), "a text");
    };
}

template <typename T>
Read integer(T& into, std::int64_t least) {
    return [&into, least](const toml::node& node) {
        const auto value = node.value<std::int64_t>();
        into = static_cast<T>(value.value_or(0));
        return unless(node.is_integer() && *value >= least && *value <= 1'000'000'000,
                      fmt::format("a whole number, {} or more", least));
    };
}

Read number(double& into) {
    return [&into](const toml::node& node) {
        into = node.value<double>().value_or(0);
        return unless(node.is_number() && into >= 0, "a number, 0 or more");
    };
}

Read boolean(bool& into) {
    return [&into](const toml::node& node) {
        into = node.value<bool>().value_or(false);
        return unless(node.is_boolean(), "true or false");
    };
}

Read milliseconds(pg::Milliseconds& into) {
    return [&into](const toml::node& node) {
        into = pg::Milliseconds(node.value<std::int64_t>().value_or(0));
        return unless(node.is_integer() && into.count() >= 0, "whole milliseconds, 0 or more");
    };
}

Read path(fs::path& into, const fs::path& base) {
    return [&into, base](const toml::node& node) {
        into = base / node.value<std::string>().value_or("");
        return unless(node.is_string(), "a path");
    };
}

template <typename T>
Read choice(T& into, std::vector<std::pair<std::string_view, T>> names) {
    return [&into, names = std::move(names)](const toml::node& node) {
        const std::string value = node.value<std::string>().value_or("");
        std::string all;
        for (const auto& [name, meaning] : names) {
            if (name == value) {
                into = meaning;
                return std::string();
            }
            all += fmt::format("{}\"{}\"", all.empty() ? "" : ", ", name);
        }
        return "one of " + all;
    };
}

// Every mistake, one a line.
Result<> read_table(const fs::path& file, const toml::table& table, const Keys& keys,
                    std::string_view where) {
    std::vector<std::string_view> names;
    for (const auto& [name, read] : keys) {
        names.push_back(name);
    }
    std::map<std::uint32_t, std::string> wrong;  // by line: toml++ sorts keys
    for (const auto& [key, node] : table) {
        const auto known = keys.find(key.str());
        std::string& message = wrong[node.source().begin.line];
        if (known == keys.end()) {
            message = fmt::format("[{}] has no key '{}'{}", where, key.str(),
                                  did_you_mean(key.str(), names));
        } else if (const std::string expected = known->second(node); !expected.empty()) {
            message = fmt::format("[{}] {} is {}", where, key.str(), expected);
        }
    }
    std::string messages;
    for (const auto& [line, message] : wrong) {
        if (!message.empty()) {
            messages += fmt::format("{}{}:{}: {}", messages.empty() ? "" : "\n", file.string(),
                                    line, message);
        }
    }
    return messages.empty() ? Result<>() : fail(ErrorCode::kInvalidInput, std::move(messages));
}

Keys migrate_keys(RunnerSettings& settings, const fs::path& base) {
    ExecutorSettings& run = settings.executor;
    return {
        {"database", text(settings.database)},
        {"folder", path(settings.folder, base)},
        {"tool",
         [&settings](const toml::node& node) {
             const auto tool = tool_from_name(node.value<std::string>().value_or(""));
             settings.tool = tool ? std::optional(*tool) : std::nullopt;
             return tool ? std::string() : "a tool: " + tool.error().message;
         }},
        {"table_schema", text(settings.names.schema)},
        {"table", text(settings.names.table)},
        {"transaction", choice(settings.plan.scope, {{"file", TransactionScope::kFile},
                                                     {"statement", TransactionScope::kStatement}})},
        {"lock_timeout_ms", milliseconds(run.lock_timeout)},
        {"statement_timeout_ms", milliseconds(run.statement_timeout)},
        {"attempts", integer(run.attempts_max, 1)},
        {"retry_for_ms", milliseconds(run.retry_for_max)},
        {"backoff_ms", milliseconds(run.backoff_first)},
        {"on_block", choice(run.on_block, {{"wait", OnBlock::kWait},
                                           {"fail", OnBlock::kFail},
                                           {"cancel", OnBlock::kCancel}})},
        {"block_wait_ms", milliseconds(run.block_wait_max)},
        {"wait_for_lock_ms", milliseconds(settings.wait_for_lock)},
        {"skipped", choice(settings.plan.on_skipped, {{"stop", OnSkipped::kStop},
                                                      {"run", OnSkipped::kRun},
                                                      {"ignore", OnSkipped::kIgnore}})},
        {"backfill_batch", integer(settings.backfill.batch, 1)},
        {"backfill_pause_ms", integer(settings.backfill.pause_ms, 0)},
        {"backfill_lag_s", number(settings.backfill.lag_s_max)},
        {"backfill_dead_ratio", number(settings.backfill.dead_ratio_max)},
    };
}

Keys deploy_keys(DeployConfig& deploy, const fs::path& base) {
    return {
        {"backup", choice(deploy.backup, {{"pg_dump", BackupKind::kPgDump},
                                          {"command", BackupKind::kCommand},
                                          {"restore_point", BackupKind::kRestorePoint},
                                          {"none", BackupKind::kNone}})},
        {"backup_scope", choice(deploy.backup_scope, {{"touched", BackupScope::kTouched},
                                                      {"full", BackupScope::kFull},
                                                      {"schema", BackupScope::kSchema}})},
        {"backup_command", text(deploy.backup_command)},
        {"backup_verify", text(deploy.backup_verify)},
        {"backup_folder", path(deploy.backup_folder, base)},
        {"backup_jobs", integer(deploy.backup_jobs, 1)},
        {"restore_command", text(deploy.restore_command)},
        {"gate", choice(deploy.gate, {{"high", GateLevel::kHigh},
                                      {"medium", GateLevel::kMedium},
                                      {"off", GateLevel::kOff}})},
        {"lint_command", text(deploy.lint_command)},
        {"application", text(deploy.application)},
        {"application_rollback", text(deploy.application_rollback)},
        {"watch_seconds", integer(deploy.watch.seconds, 0)},
        {"watch_error_ratio", number(deploy.watch.error_ratio_max)},
        {"watch_error_growth", number(deploy.watch.error_growth_max)},
        {"watch_slow_growth", number(deploy.watch.slow_growth_max)},
        {"watch_slow_ms", number(deploy.watch.slow_ms_min)},
        {"stop_on_drift", boolean(deploy.stop_on_drift)},
        {"roll_back_schema",
         choice(deploy.roll_back_schema, {{"when-needed", SchemaRollback::kWhenNeeded},
                                          {"always", SchemaRollback::kAlways},
                                          {"never", SchemaRollback::kNever}})},
        {"records", path(deploy.records, base)},
        {"command_timeout_s", integer(deploy.command_timeout_s, 1)},
        {"smoke",
         [](const toml::node& node) {
             return unless(node.is_array_of_tables(), "tables: [[deploy.smoke]]");
         }},
    };
}

Result<SmokeTest> read_smoke(const fs::path& file, const toml::table& table) {
    SmokeTest test;
    TRY_VOID(read_table(file, table,
                        {{"name", text(test.name)},
                         {"command", text(test.command)},
                         {"url", text(test.url)},
                         {"status", integer(test.status, 100)},
                         {"contains", text(test.contains)},
                         {"sql", text(test.sql)},
                         {"timeout_ms", integer(test.timeout_ms, 1)},
                         {"attempts", integer(test.attempts, 1)}},
                        "deploy.smoke"));
    const int kinds =
        (test.command.empty() ? 0 : 1) + (test.url.empty() ? 0 : 1) + (test.sql.empty() ? 0 : 1);
    if (kinds != 1) {
        return refuse(file, table, "a smoke test is one of command, url or sql");
    }
    if (test.name.empty()) {
        test.name = test.command + test.url + test.sql;
    }
    return test;
}

Result<> read_deploy(const fs::path& file, const toml::table& table, DeployConfig& deploy) {
    TRY_VOID(read_table(file, table, deploy_keys(deploy, file.parent_path()), "deploy"));
    if (const toml::array* smoke = table["smoke"].as_array()) {
        for (const toml::node& node : *smoke) {
            TRY(SmokeTest test, read_smoke(file, *node.as_table()));
            deploy.smoke.push_back(std::move(test));
        }
    }
    if (deploy.backup == BackupKind::kCommand && deploy.backup_command.empty()) {
        return refuse(file, table, "backup = \"command\" needs backup_command");
    }
    return {};
}

}  // namespace

Result<> read_project_config(const fs::path& file, ProjectConfig& config) {
    TRY(const std::string text, read_file(file));
    TRY(const toml::table parsed, read_toml(text, file.string()));
    config.file = file;
    const fs::path base = file.parent_path();
    Result<> done;
    if (const toml::table* table = parsed["migrate"].as_table()) {
        done = read_table(file, *table, migrate_keys(config.migrate, base), "migrate");
    }
    if (const toml::table* table = parsed["deploy"].as_table()) {
        auto deploy = read_deploy(file, *table, config.deploy);
        if (!deploy && !done) {
            deploy.error().message = done.error().message + "\n" + deploy.error().message;
        }
        done = deploy ? std::move(done) : std::move(deploy);
    }
    return done;
}

fs::path find_project_config(const fs::path& from) {
    std::error_code error;
    fs::path folder = fs::absolute(from, error);
    for (;;) {
        if (fs::exists(folder / "howdah.toml", error)) {
            return folder / "howdah.toml";
        }
        if (folder == folder.parent_path()) {
            return {};
        }
        folder = folder.parent_path();
    }
}

}  // namespace howdah::migrate::runner
