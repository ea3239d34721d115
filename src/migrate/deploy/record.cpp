// A deploy's record as JSON (docs/schemas/howdah.deploy-1.json) and Markdown.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "migrate/deploy/deploy.hpp"

namespace howdah::migrate::runner {
namespace json = boost::json;
namespace {

json::array strings(const std::vector<std::string>& values) {
    json::array array;
    for (const std::string& value : values) {
        array.emplace_back(value);
    }
    return array;
}

json::value run_json(const std::optional<RunRecord>& run) {
    return run ? json::value(to_json(*run)) : json::value(nullptr);
}

}  // namespace

json::object to_json(const DeployRecord& record) {
    json::array stages;
    for (const StageRecord& stage : record.stages) {
        stages.push_back(json::object{{"name", stage.name},
                                      {"outcome", stage.outcome},
                                      {"seconds", stage.seconds},
                                      {"detail", stage.detail}});
    }
    json::array smoke;
    for (const SmokeResult& result : record.smoke) {
        smoke.push_back(json::object{{"name", result.name},
                                     {"passed", result.passed},
                                     {"seconds", result.seconds},
                                     {"attempts", result.attempts},
                                     {"detail", result.detail}});
    }
    json::array findings;
    for (const Finding& finding : record.findings) {
        findings.push_back(finding_json(finding));
    }
    return {{"schema", "howdah.deploy/1"},
            {"id", record.id},
            {"outcome", record.outcome},
            {"error", record.error},
            {"hint", record.hint},
            {"folder", record.folder},
            {"plan_hash", record.plan_hash},
            {"risk", record.risk},
            {"started_at", record.started_at},
            {"finished_at", record.finished_at},
            {"stages", std::move(stages)},
            {"smoke", std::move(smoke)},
            {"backup", json::object{{"summary", record.backup.summary},
                                    {"lsn", record.backup.lsn},
                                    {"files", strings(record.backup.files)},
                                    {"tables", strings(record.backup.tables)}}},
            {"run", run_json(record.run)},
            {"rollback", run_json(record.rollback)},
            {"findings", std::move(findings)}};
}

std::string to_markdown(const DeployRecord& record) {
    std::string text = fmt::format(
        "# Deploy {}: {}\n\n| | |\n|---|---|\n| folder | {} |\n| plan | `{}` |\n| risk | {} |\n| "
        "started | {} |\n| finished | {} |\n",
        record.id, record.outcome, record.folder, record.plan_hash, record.risk, record.started_at,
        record.finished_at);
    if (!record.error.empty()) {
        text += fmt::format("\n**Error:** {}\n", record.error);
    }
    if (!record.hint.empty()) {
        text += fmt::format("\n**What to do:** {}\n", record.hint);
    }
    text += "\n## Stages\n\n| stage | outcome | time | |\n|---|---|---|---|\n";
    for (const StageRecord& stage : record.stages) {
        std::string detail = stage.detail;
        for (std::size_t at = detail.find_first_of("|\n"); at != std::string::npos;
             at = detail.find_first_of("|\n", at + 1)) {
            detail[at] = detail[at] == '\n' ? ' ' : '/';
        }
        text += fmt::format("| {} | {} | {} | {} |\n", stage.name, stage.outcome,
                            duration_text(stage.seconds), detail);
    }
    if (!record.findings.empty()) {
        text += "\n## Findings\n\n";
        for (const Finding& finding : record.findings) {
            text += fmt::format("- {} {}:{}: {}\n", finding.rule, finding.file, finding.line,
                                finding.message);
        }
    }
    if (!record.backup.files.empty()) {
        text += "\n## Backup\n\n" + record.backup.summary + "\n";
    }
    for (const auto* run : {&record.run, &record.rollback}) {
        if (*run) {
            text += "\n" + to_markdown(**run);
        }
    }
    return text;
}

}  // namespace howdah::migrate::runner
