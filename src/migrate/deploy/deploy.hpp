// Deploy: plan -> lint gate -> backup -> migrate -> validate -> application -> smoke tests ->
// watch; what fails behind "backup" is rolled back, in order of safety:
//
//   inside a transaction     nothing to do
//   half a migration         the inverse of the steps that ran
//   application or later     the application first; then migrations which the application before
//                            cannot live with, by down script or inverse, while no data is lost
//   nothing else helps       restore, with --restore alone
//
// The record is on disk after every stage. One thread.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "migrate/deploy/backup.hpp"
#include "migrate/deploy/checks.hpp"
#include "migrate/deploy/command.hpp"
#include "migrate/deploy/config.hpp"
#include "migrate/runner/runner.hpp"

namespace howdah::migrate::runner {

struct StageRecord {
    std::string name;
    std::string outcome;  // done, failed, skipped, refused
    double seconds = 0;
    std::string detail;
};

struct DeployRecord {
    std::string id;
    std::string outcome = "running";  // done, planned, refused, rolled-back, failed
    std::string error;
    std::string hint;
    std::string folder;
    std::string plan_hash;
    std::string risk = "none";
    std::string started_at;
    std::string finished_at;
    std::vector<StageRecord> stages;
    std::vector<Finding> findings;
    std::vector<SmokeResult> smoke;
    BackupResult backup;
    std::optional<RunRecord> run;
    std::optional<RunRecord> rollback;
};
boost::json::object to_json(const DeployRecord& record);
std::string to_markdown(const DeployRecord& record);

struct DeployOptions {
    bool dry_run = false;
    std::string approved;  // the plan's hash that a person approved
    bool ignore_drift = false;
    bool restore = false;  // consent to restoring the backup when nothing else helps
    bool allow_data_loss = false;
};

class Deploy {
  public:
    Deploy(ProjectConfig config, DeployOptions options, Narrator& narrator, Interrupt& interrupt);

    // An error: nothing was begun. Otherwise the record says how it ended.
    Result<DeployRecord> run();
    // What the dry run shows; valid after run().
    const Plan& plan() const { return plan_; }

  private:
    using Work = std::function<Result<std::string>()>;  // the detail line

    bool stage(const std::string& name, const Work& work);
    void skip(const std::string& name, const std::string& why);
    Result<std::string> make_plan();
    Result<std::string> gate();
    Result<std::string> back_up();
    Result<std::string> migrate();
    Result<std::string> validate();
    Result<std::string> deploy_application();
    Result<std::string> smoke();
    Result<std::string> watch();
    bool pause(std::chrono::milliseconds time) const;  // false: interrupted
    bool before_changes();
    bool changes();
    void connect_again();
    void roll_back();
    Result<std::string> roll_back_application();
    Result<std::string> roll_back_schema(const std::vector<std::string>& names);
    std::vector<std::string> to_undo() const;
    Environment command_environment() const;
    void save();

    ProjectConfig config_;
    DeployOptions options_;
    Narrator& narrator_;
    Interrupt& interrupt_;
    std::optional<Runner> runner_;
    Plan plan_;
    GateVerdict verdict_;
    Traffic before_;
    bool application_begun_ = false;
    DeployRecord record_;
};

}  // namespace howdah::migrate::runner
