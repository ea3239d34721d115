// howdah deploy
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <iostream>

#include "cli/commands.hpp"
#include "cli/exit_status.hpp"
#include "cli/runner_settings.hpp"
#include "cli/terminal.hpp"
#include "migrate/deploy/deploy.hpp"

namespace howdah::cli {
namespace {

using namespace migrate::runner;

constexpr const char* kExamples = R"(
Examples:
  howdah deploy --dry-run                  the plan, its risk, what would be backed up
  howdah deploy                            as [deploy] in howdah.toml says
  howdah deploy --approve 3f9a...          run this plan although its risk is high
  howdah deploy --format json > run.json   the record; it is also under [deploy] records

plan -> lint -> backup -> migrate -> validate -> application -> smoke tests -> watch; what fails
after the backup is rolled back. Exit status: 0 deployed, 1 refused, failed or rolled back, 2 wrong
usage or input, 3 could not run.)";

struct Options {
    CommonOptions common;
    DeployOptions deploy;
    std::int64_t wait_s = -1;
};

void print_dry_run(const Plan& plan, const DeployRecord& record) {
    fmt::print("plan {} (risk {})\n", plan.hash, record.risk);
    for (const PlannedMigration& planned : plan.migrations) {
        fmt::print("run {}\n", planned.script->name);
        print_steps(planned);
    }
    std::vector<std::string> tables;
    for (const TouchedTable& table : touched_tables(plan)) {
        tables.push_back(table.schema ? "all of schema " + table.name : table.name);
    }
    if (!tables.empty()) {
        fmt::print("rows backed up: {}\n", fmt::join(tables, ", "));
    }
    for (const Finding& finding : record.findings) {
        fmt::print("{}:{}: {}: {}\n", finding.file, finding.line, finding.rule, finding.message);
    }
}

void show(const Options& options, const DeployRecord& record, const Plan& plan) {
    if (options.common.format == "json") {
        std::cout << boost::json::serialize(to_json(record)) << '\n';
    } else if (options.common.format == "markdown") {
        std::cout << to_markdown(record);
    } else if (record.outcome == "planned") {
        print_dry_run(plan, record);
    } else {
        fmt::print("{}: {}\n", record.id, record.outcome);
    }
    if (!record.error.empty() && options.common.format == "text") {
        fmt::print(stderr, "howdah deploy: {}\n", record.error);
        if (!record.hint.empty()) {
            fmt::print(stderr, "  {}\n", record.hint);
        }
    }
}

Result<int> run(Options& options) {
    TRY(ProjectConfig config, project_config(options.common));
    if (options.wait_s >= 0) {
        config.migrate.wait_for_lock = std::chrono::seconds(options.wait_s);
    }
    config.migrate.allow_data_loss = options.deploy.allow_data_loss;
    Interrupt interrupt;
    const SignalWatch signals(interrupt);
    Terminal terminal(options.common.quiet);
    Deploy deploy(std::move(config), options.deploy, terminal, interrupt);
    TRY(const DeployRecord record, deploy.run());
    show(options, record, deploy.plan());
    return record.outcome == "done" || record.outcome == "planned" ? kFine : kFound;
}

}  // namespace

int run_deploy(int argc, char** argv) {
    Options options;
    CLI::App app{"backs up, lints, migrates, deploys, tests; goes back when something fails",
                 "howdah deploy"};
    app.footer(kExamples);
    declare_common(app, options.common);
    app.add_flag("--dry-run", options.deploy.dry_run, "plan and lint, change nothing");
    app.add_option("--approve", options.deploy.approved, "hash of a plan that may be risky");
    app.add_flag("--ignore-drift", options.deploy.ignore_drift,
                 "go on although the schema was changed outside of migrations");
    app.add_flag("--restore", options.deploy.restore,
                 "consent to restoring the backup when nothing else undoes a failure");
    app.add_flag("--allow-data-loss", options.deploy.allow_data_loss,
                 "consent to a rollback that drops rows written since");
    app.add_option("--wait", options.wait_s, "seconds for another run to end; 60 unless told");
    if (const auto ended = parse_arguments(app, argc, argv)) {
        return *ended;
    }
    const Result<int> done = run(options);
    return status_of("deploy", done);
}

}  // namespace howdah::cli
