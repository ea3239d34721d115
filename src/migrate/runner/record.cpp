#include "migrate/runner/record.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>
#include <ctime>

namespace howdah::migrate::runner {
namespace json = boost::json;
namespace {

std::string_view severity_name(Severity severity) {
    static constexpr std::array<std::string_view, 3> kSeverities{"info", "warning", "error"};
    return kSeverities.at(static_cast<std::size_t>(severity));
}

std::string_view risk_name(Risk risk) {
    static constexpr std::array<std::string_view, 4> kRisks{"none", "low", "medium", "high"};
    return kRisks.at(static_cast<std::size_t>(risk));
}

json::array strings(const std::vector<std::string>& values) {
    json::array array;
    for (const std::string& value : values) {
        array.emplace_back(value);
    }
    return array;
}

json::object step_json(const StepRecord& step) {
    return {{"number", step.number},
            {"kind", step.kind},
            {"statements", step.statements},
            {"first", step.first},
            {"resumed", step.resumed},
            {"seconds", step.run.seconds},
            {"attempts", step.run.attempts},
            {"waited_seconds", step.run.waited_s},
            {"blockers", strings(step.run.blockers)},
            {"notices", strings(step.run.notices)}};
}

json::object migration_json(const MigrationRecord& migration) {
    json::array steps;
    for (const StepRecord& step : migration.steps) {
        steps.push_back(step_json(step));
    }
    return {{"name", migration.name},
            {"file", migration.file},
            {"direction", migration.down ? "down" : "up"},
            {"outcome", migration.outcome},
            {"steps", std::move(steps)}};
}

std::string cell(std::string text) {
    for (std::size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2)) {
        text.insert(at, "\\");
    }
    return text;
}

std::string steps_markdown(const MigrationRecord& migration) {
    std::string text = fmt::format("\n### {}{}: {}\n\n", migration.name,
                                   migration.down ? " (down)" : "", migration.outcome);
    if (migration.steps.empty()) {
        return text + "No statements.\n";
    }
    text += "| step | kind | what | time | attempts | waited |\n|---|---|---|---|---|---|\n";
    for (const StepRecord& step : migration.steps) {
        text += fmt::format(
            "| {} | {} | `{}`{} | {} | {} | {} |\n", step.number + 1, step.kind, cell(step.first),
            step.statements > 1 ? fmt::format(" and {} more", step.statements - 1) : std::string(),
            step.resumed ? "had run before" : duration_text(step.run.seconds), step.run.attempts,
            duration_text(step.run.waited_s));
    }
    for (const StepRecord& step : migration.steps) {
        for (const std::string& blocker : step.run.blockers) {
            text += fmt::format("\nStep {} was in the way of: {}\n", step.number + 1, blocker);
        }
    }
    return text;
}

}  // namespace

json::object finding_json(const Finding& finding) {
    return {{"rule", finding.rule},
            {"severity", severity_name(finding.severity)},
            {"risk", risk_name(finding.risk)},
            {"file", finding.file},
            {"line", finding.line},
            {"column", finding.column},
            {"message", finding.message},
            {"why", finding.why},
            {"evidence", finding.evidence},
            {"fix", finding.fix},
            {"impact", finding.impact},
            {"confidence", finding.confidence}};
}

json::object to_json(const RunRecord& record) {
    json::array migrations;
    for (const MigrationRecord& migration : record.migrations) {
        migrations.push_back(migration_json(migration));
    }
    json::array findings;
    for (const Finding& finding : record.findings) {
        findings.push_back(finding_json(finding));
    }
    return {{"schema", "howdah.migrate-run/1"},
            {"id", record.id},
            {"command", record.command},
            {"tool", record.tool},
            {"folder", record.folder},
            {"host_table", record.host_table},
            {"server", record.server},
            {"plan_hash", record.plan_hash},
            {"started_at", record.started_at},
            {"finished_at", record.finished_at},
            {"outcome", record.outcome},
            {"error", record.error},
            {"hint", record.hint},
            {"migrations", std::move(migrations)},
            {"findings", std::move(findings)}};
}

std::string to_markdown(const RunRecord& record) {
    std::string text = fmt::format(
        "# Migration run {}: {}\n\n"
        "| | |\n|---|---|\n| command | {} |\n| folder | {} ({}) |\n| server | {} |\n| history | {} "
        "|\n| plan | `{}` |\n| started | {} |\n| finished | {} |\n",
        record.id, record.outcome, record.command, record.folder, record.tool, record.server,
        record.host_table, record.plan_hash, record.started_at, record.finished_at);
    if (!record.error.empty()) {
        text += fmt::format("\n**Error:** {}\n", record.error);
        if (!record.hint.empty()) {
            text += fmt::format("\n**What to do:** {}\n", record.hint);
        }
    }
    text += "\n## Migrations\n";
    if (record.migrations.empty()) {
        text += "\nNothing to run.\n";
    }
    for (const MigrationRecord& migration : record.migrations) {
        text += steps_markdown(migration);
    }
    if (!record.findings.empty()) {
        text += "\n## Validation\n\n";
        for (const Finding& finding : record.findings) {
            text += fmt::format("- [{}] {}: {}\n", severity_name(finding.severity), finding.rule,
                                finding.message);
        }
    }
    return text;
}

std::string utc_now() {
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

std::string duration_text(double seconds) {
    if (seconds < 1) {
        return fmt::format("{:.0f} ms", seconds * 1000);
    }
    if (seconds < 120) {
        return fmt::format("{:.1f} s", seconds);
    }
    const auto whole = static_cast<std::int64_t>(seconds);
    return fmt::format("{} min {} s", whole / 60, whole % 60);
}

}  // namespace howdah::migrate::runner
