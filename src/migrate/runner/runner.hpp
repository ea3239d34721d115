// Runner: howdah migrate status, up, down, repair; what howdah deploy's migrate step calls.
//
//   open (files, connections, no pooler) -> run locks -> history and ledger -> plan -> steps ->
//   validate -> record; a step that fails ends the run where it is, and a rerun goes on there.
//
// One thread. The project is read once, at open().
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "migrate/history/host_table.hpp"
#include "migrate/history/project.hpp"
#include "migrate/runner/backfill.hpp"
#include "migrate/runner/executor.hpp"
#include "migrate/runner/plan.hpp"
#include "migrate/runner/record.hpp"

namespace howdah::migrate::runner {

struct RunnerSettings {
    std::string database;                // conninfo; a Prisma URL's ?schema= is understood
    std::filesystem::path folder = ".";  // migrations, or a project that holds them
    std::optional<HostTool> tool;        // found out when absent
    HostNames names;
    ExecutorSettings executor;
    BackfillSettings backfill;
    PlanOptions plan;
    pg::Milliseconds wait_for_lock{60'000};
    bool allow_data_loss = false;
    std::string approved_plan;  // run only the plan with this hash; empty: any
};

struct ScriptStatus {
    std::string name;
    std::string file;
    ScriptState state = ScriptState::kPending;
    bool edited = false;
    bool has_down = false;
    std::string applied_at;
    std::size_t steps = 0;       // 0 when its text is refused
    std::size_t steps_done = 0;  // of an unfinished one
    bool begun = false;
};

struct Status {
    std::string tool;
    std::string folder;
    std::string host_table;
    std::string server;
    bool table_exists = false;
    std::vector<ScriptStatus> scripts;
    std::vector<std::string> unknown;  // in the table, not on disk
    std::vector<Finding> findings;

    std::size_t count(ScriptState state) const;
};

enum class RepairKind : std::uint8_t {
    kDiagnose,
    kApplied,     // all of it is there: say so to the host tool
    kRolledBack,  // none of it is there: say so
    kBaseline,    // this one and all before it are there
    kStepDone,    // the step that was cut has had its effect
    kStepAgain,   // the step that was cut has not
};

struct RepairOptions {
    RepairKind kind = RepairKind::kDiagnose;
    std::string name;
};

class Runner {
  public:
    static Result<Runner> open(RunnerSettings settings, Narrator& narrator, Interrupt& interrupt);

    Result<Status> status();
    // What up() would do; writes nothing.
    Result<Plan> plan();
    Result<Plan> down_plan();
    // The record is filled as far as the run came; its `outcome` and `error` say how it ended. An
    // error here means that nothing was begun.
    Result<RunRecord> up();
    Result<RunRecord> down();
    // What was found or done, a line each.
    Result<std::vector<std::string>> repair(const RepairOptions& options);

    // Both for the plans from here on.
    void set_plan(const PlanOptions& options, const std::string& approved) {
        settings_.plan = options;
        settings_.approved_plan = approved;
    }
    Result<std::vector<Finding>> drift();

    const Project& project() const { return project_; }
    pg::Connection& db() { return executor_.db(); }
    std::string host_table() const { return table_->name(); }

  private:
    Runner(RunnerSettings settings, Project project, Executor executor, Narrator& narrator);

    Result<Plan> make_plan(bool down);
    Result<RunRecord> run(bool down);
    Result<> run_plan(const Plan& plan, RunRecord& record);
    Result<> run_migration(const PlannedMigration& planned, MigrationRecord& record);
    Result<> run_steps(const PlannedMigration& planned, MigrationRecord& record);
    Result<> set_again(const PlannedMigration& planned);
    Result<> take_back_settings(const PlannedMigration& planned);
    Result<> begin_migration(const PlannedMigration& planned);
    Result<> settle_failure(const PlannedMigration& planned, const Error& error);
    Result<StepRun> run_step(const PlannedMigration& planned, std::size_t number,
                             StepRecord& record);
    Result<StepRun> run_lone_statement(const PlannedMigration& planned, std::size_t number,
                                       StepRecord& record);
    Result<> after_step(const PlannedMigration& planned, std::size_t number);
    Result<> in_transaction(const std::function<Result<>()>& inside);
    Result<std::string> applied_fingerprint();
    Result<> check_stakes(const Plan& plan);
    Result<> finish_run(const Plan& plan, RunRecord& record);
    LedgerKey key_of(const PlannedMigration& planned) const;
    std::vector<std::int64_t> lock_keys();
    const Script* before(const Script& script) const;
    std::string server_text();

    RunnerSettings settings_;
    Project project_;
    Executor executor_;
    std::unique_ptr<HostTable> table_;
    std::string search_path_;  // of the session, before any migration
    Narrator* narrator_;
    Interrupt* interrupt_ = nullptr;
};

// A Prisma URL's parameters that libpq does not know taken out; its ?schema= in `schema`.
std::string split_prisma_url(const std::string& url, std::string& schema);

}  // namespace howdah::migrate::runner
