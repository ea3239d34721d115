#include <algorithm>
#include <boost/json.hpp>

#include "base/utf8.hpp"
#include "findings/formats.hpp"

namespace howdah::findings {
namespace {

namespace json = boost::json;

// Text from files may hold any bytes; JSON holds UTF-8.
json::string text(std::string_view value) {
    return json::string(clean_utf8(value));
}

json::object finding_object(const Finding& finding) {
    json::array edits;
    for (const Edit& edit : finding.edits) {
        edits.push_back(json::object{{"file", text(edit.file)},
                                     {"begin", edit.begin},
                                     {"end", edit.end},
                                     {"line", edit.line},
                                     {"column", edit.column},
                                     {"end_line", edit.end_line},
                                     {"end_column", edit.end_column},
                                     {"text", text(edit.text)}});
    }
    return json::object{{"rule", text(finding.rule)},
                        {"severity", severity_name(finding.severity)},
                        {"risk", risk_name(finding.risk)},
                        {"file", text(finding.file)},
                        {"line", finding.line},
                        {"column", finding.column},
                        {"message", text(finding.message)},
                        {"why", text(finding.why)},
                        {"evidence", text(finding.evidence)},
                        {"fix", text(finding.fix)},
                        {"impact", text(finding.impact)},
                        {"confidence", text(finding.confidence)},
                        {"edits", std::move(edits)}};
}

std::string_view sarif_level(Severity severity) {
    return severity == Severity::kError     ? "error"
           : severity == Severity::kWarning ? "warning"
                                            : "note";
}

// One fix of all edits, a change for each file (SARIF 2.1.0, 3.55 to 3.57).
json::array sarif_fixes(const Finding& finding) {
    json::array changes;
    for (const Edit& edit : finding.edits) {
        json::object replacement{{"deletedRegion", json::object{{"startLine", edit.line},
                                                                {"startColumn", edit.column},
                                                                {"endLine", edit.end_line},
                                                                {"endColumn", edit.end_column}}},
                                 {"insertedContent", json::object{{"text", text(edit.text)}}}};
        const json::string uri = text(edit.file);
        const bool same_file =
            !changes.empty() && changes.back().at("artifactLocation").at("uri") == uri;
        if (same_file) {
            changes.back().at("replacements").as_array().push_back(std::move(replacement));
        } else {
            changes.push_back(json::object{{"artifactLocation", json::object{{"uri", uri}}},
                                           {"replacements", json::array{std::move(replacement)}}});
        }
    }
    return json::array{json::object{{"description", json::object{{"text", text(finding.fix)}}},
                                    {"artifactChanges", std::move(changes)}}};
}

json::object sarif_result(const Finding& finding, const std::string& fingerprint) {
    json::object region{{"startLine", std::max(finding.line, 1U)}};
    if (finding.column > 0) {
        region["startColumn"] = finding.column;
        region["endColumn"] = finding.column + std::max(finding.caret_length, 1U);
    }
    json::object location{
        {"physicalLocation",
         json::object{{"artifactLocation", json::object{{"uri", text(finding.file)}}},
                      {"region", std::move(region)}}}};
    json::object result{{"ruleId", text(finding.rule)},
                        {"level", sarif_level(finding.severity)},
                        {"message", json::object{{"text", text(finding.message)}}},
                        {"partialFingerprints", json::object{{"howdah/v1", fingerprint}}},
                        {"properties", json::object{{"risk", risk_name(finding.risk)},
                                                    {"impact", text(finding.impact)},
                                                    {"confidence", text(finding.confidence)}}}};
    if (!finding.file.empty()) {
        result["locations"] = json::array{std::move(location)};
    }
    if (!finding.edits.empty()) {
        result["fixes"] = sarif_fixes(finding);
    }
    return result;
}

json::array ledger(const FileSummary& file) {
    json::array transactions;
    for (const LockedTransaction& transaction : file.transactions) {
        json::array locks;
        for (const HeldLock& held : transaction.locks) {
            json::array work;
            for (const std::string& each : held.work) {
                work.push_back(text(each));
            }
            locks.push_back(json::object{{"table", text(held.table)},
                                         {"lock", text(held.lock)},
                                         {"line", held.line},
                                         {"held_across", held.held_across},
                                         {"work", std::move(work)}});
        }
        transactions.push_back(json::object{{"first_line", transaction.first_line},
                                            {"last_line", transaction.last_line},
                                            {"locks", std::move(locks)}});
    }
    return transactions;
}

}  // namespace

std::string render_json(const Report& report) {
    const Counts counts = count(report.findings);
    json::array findings;
    for (const Finding& finding : report.findings) {
        findings.push_back(finding_object(finding));
    }
    json::array files;
    for (const FileSummary& file : report.files) {
        json::array impacts;
        for (const std::string& impact : file.impacts) {
            impacts.push_back(text(impact));
        }
        files.push_back(json::object{{"file", text(file.file)},
                                     {"risk", risk_name(file.risk)},
                                     {"verdict", text(file.verdict)},
                                     {"impacts", std::move(impacts)},
                                     {"transactions", ledger(file)}});
    }
    const json::object root{{"schema", "howdah.findings/1"},
                            {"summary", json::object{{"total", counts.total},
                                                     {"errors", counts.errors},
                                                     {"warnings", counts.warnings},
                                                     {"high", counts.high},
                                                     {"medium", counts.medium},
                                                     {"low", counts.low},
                                                     {"files", report.files_read},
                                                     {"statements", report.statements},
                                                     {"suppressed", report.suppressed}}},
                            {"files", std::move(files)},
                            {"findings", std::move(findings)}};
    return json::serialize(root) + "\n";
}

std::string render_sarif(const Report& report) {
    json::array rules;
    for (const RuleText& rule : report.rules) {
        rules.push_back(json::object{
            {"id", text(rule.name)},
            {"shortDescription", json::object{{"text", text(rule.title)}}},
            {"help", json::object{{"text", text(rule.help)}}},
            {"defaultConfiguration", json::object{{"level", sarif_level(rule.severity)}}}});
    }
    const std::vector<std::string> prints = fingerprints(report.findings);
    json::array results;
    for (std::size_t i = 0; i < report.findings.size(); ++i) {
        results.push_back(sarif_result(report.findings[i], prints[i]));
    }
    const json::object driver{
        {"name", "howdah"}, {"semanticVersion", HOWDAH_VERSION}, {"rules", std::move(rules)}};
    const json::object root{
        {"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
        {"version", "2.1.0"},
        {"runs", json::array{json::object{{"tool", json::object{{"driver", driver}}},
                                          {"columnKind", "unicodeCodePoints"},
                                          {"results", std::move(results)}}}}};
    return json::serialize(root) + "\n";
}

// https://docs.gitlab.com/ci/testing/code_quality/ (lines count from 1)
std::string render_gitlab(const Report& report) {
    const std::vector<std::string> prints = fingerprints(report.findings);
    json::array results;
    for (std::size_t i = 0; i < report.findings.size(); ++i) {
        const Finding& finding = report.findings[i];
        const std::string_view severity = finding.risk == Risk::kHigh     ? "critical"
                                          : finding.risk == Risk::kMedium ? "major"
                                          : finding.risk == Risk::kLow    ? "minor"
                                                                          : "info";
        results.push_back(json::object{
            {"description", text(finding.message)},
            {"check_name", text(finding.rule)},
            {"fingerprint", prints[i]},
            {"severity", severity},
            {"location",
             json::object{{"path", text(finding.file)},
                          {"lines", json::object{{"begin", std::max(finding.line, 1U)}}}}}});
    }
    return json::serialize(results) + "\n";
}

}  // namespace howdah::findings
