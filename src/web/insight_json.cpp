#include "web/insight_json.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/utf8.hpp"
#include "findings/render.hpp"
#include "insight/live/rules.hpp"

namespace howdah::web {
namespace {

namespace json = boost::json;
namespace live = insight::live;

double milliseconds(double us) {
    return us / 1e3;
}

std::string time_text(std::int64_t us) {
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}Z",
                       fmt::gmtime(static_cast<std::time_t>(us / 1'000'000)));
}

json::array names_of(const std::vector<std::string>& names) {
    json::array array;
    for (const std::string& name : names) {
        array.push_back(json::string(clean_utf8(name)));
    }
    return array;
}

json::array parts_of(const std::vector<live::NamedPart>& parts) {
    json::array array;
    for (const live::NamedPart& part : parts) {
        array.push_back(
            json::object{{"name", clean_utf8(part.name)}, {"calls", part.calls}, {"ms", part.ms}});
    }
    return array;
}

json::object percentiles_of(const live::StatementDetail::Percentiles& times) {
    return {{"p50", milliseconds(times.p50)},
            {"p95", milliseconds(times.p95)},
            {"p99", milliseconds(times.p99)},
            {"max", milliseconds(times.max)}};
}

bool has_name(const std::vector<std::string>& names, const std::string& wanted) {
    return wanted.empty() || std::ranges::find(names, wanted) != names.end();
}

bool fits(const live::LiveFinding& finding, const FindingPage& page) {
    const Finding& of = finding.finding;
    const auto same = [](const std::string& wanted, std::string_view value) {
        return wanted.empty() || wanted == value;
    };
    const bool about =
        page.fingerprint.empty() || std::ranges::any_of(finding.statements, [&](std::uint64_t key) {
            return fmt::format("{:016x}", key) == page.fingerprint;
        });
    return about && same(page.rule, of.rule) && same(page.confidence, of.confidence) &&
           same(page.severity, findings::severity_name(of.severity)) &&
           contains_word(of.message, page.search) &&
           has_name(finding.databases, page.callers.database) &&
           has_name(finding.users, page.callers.user) &&
           has_name(finding.applications, page.callers.application) &&
           has_name(finding.clients, page.callers.client) &&
           has_name(finding.routes, page.callers.tag);
}

json::object finding_of(const live::LiveFinding& live) {
    const Finding& finding = live.finding;
    json::array statements;
    for (const std::uint64_t key : live.statements) {
        statements.push_back(json::string(fmt::format("{:016x}", key)));
    }
    return {{"id", live.id},
            {"rule", finding.rule},
            {"severity", findings::severity_name(finding.severity)},
            {"risk", findings::risk_name(finding.risk)},
            {"confidence", finding.confidence},
            {"message", clean_utf8(finding.message)},
            {"why", clean_utf8(finding.why)},
            {"evidence", clean_utf8(finding.evidence)},
            {"fix", clean_utf8(finding.fix)},
            {"impact", clean_utf8(finding.impact)},
            {"statements", std::move(statements)},
            {"databases", names_of(live.databases)},
            {"users", names_of(live.users)},
            {"applications", names_of(live.applications)},
            {"clients", names_of(live.clients)},
            {"routes", names_of(live.routes)},
            {"count", live.count},
            {"ms_a_day", live.lost_ms_a_day},
            {"first_seen", time_text(live.first_us)},
            {"last_seen", time_text(live.last_us)}};
}

Result<> take_finding_parameter(FindingPage& page, std::string_view key, const std::string& value) {
    if (key == "limit") {
        TRY(page.limit, parse_number("limit", value));
        if (page.limit == 0 || page.limit > FindingPage::kLimitMax) {
            return fail(ErrorCode::kInvalidInput,
                        fmt::format("limit: 1 to {}", FindingPage::kLimitMax));
        }
        return {};
    }
    if (key == "offset") {
        TRY(page.offset, parse_number("offset", value));
        return {};
    }
    if (key == "rule" && !value.empty() &&
        std::ranges::find(live::kRuleNames, value) == live::kRuleNames.end()) {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("rules are {}", fmt::join(live::kRuleNames, ", ")));
    }
    const std::pair<std::string_view, std::string*> texts[] = {
        {"search", &page.search},           {"rule", &page.rule},
        {"severity", &page.severity},       {"confidence", &page.confidence},
        {"fingerprint", &page.fingerprint},
    };
    for (const auto& [name, text] : texts) {
        if (name == key) {
            *text = value;
            return {};
        }
    }
    if (std::string* caller = caller_parameter(page.callers, key)) {
        *caller = value;
        return {};
    }
    return fail(ErrorCode::kInvalidInput,
                "parameters are limit, offset, search, rule, severity, confidence, fingerprint, "
                "database, user, application, client and tag");
}

}  // namespace

Result<FindingPage> parse_finding_page(std::string_view query) {
    FindingPage page;
    TRY(const auto parameters, parse_parameters(query));
    for (const auto& [key, value] : parameters) {
        TRY_VOID(take_finding_parameter(page, key, value));
    }
    return page;
}

std::string findings_json(std::span<const live::LiveFinding> findings, const FindingPage& page) {
    json::array rows;
    std::size_t total = 0;
    for (const live::LiveFinding& finding : findings) {
        if (!fits(finding, page)) {
            continue;
        }
        if (total >= page.offset && rows.size() < page.limit) {
            rows.push_back(finding_of(finding));
        }
        ++total;
    }
    return json::serialize(json::object{{"schema", "howdah.live-findings/1"},
                                        {"total", total},
                                        {"offset", page.offset},
                                        {"limit", page.limit},
                                        {"findings", std::move(rows)}});
}

void add_details(json::object& row, const live::Engine& engine, std::uint64_t key) {
    const std::uint64_t keys[] = {key};
    const std::vector<live::StatementDetail> found = engine.details(keys);
    if (found.empty()) {
        return;
    }
    const live::StatementDetail& detail = found.front();
    json::object errors;
    for (const auto& [sqlstate, count] : detail.sqlstates) {
        errors[clean_utf8(sqlstate)] = count;
    }
    row["sqlstates"] = std::move(errors);
    row["server"] = percentiles_of(detail.server);
    row["queue"] = percentiles_of(detail.queue);
    row["network"] = percentiles_of(detail.network);
    row["cache"] = percentiles_of(detail.cache);
    row["databases"] = parts_of(detail.databases);
    row["users"] = parts_of(detail.users);
    row["applications"] = parts_of(detail.applications);
    row["clients"] = parts_of(detail.clients);
    row["tags"] = parts_of(detail.tags);
    row["parameters"] = names_of(detail.samples);
    row["first_seen"] = time_text(detail.first_us);
    row["last_seen"] = time_text(detail.last_us);
}

}  // namespace howdah::web
