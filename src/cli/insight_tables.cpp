#include "cli/insight_tables.hpp"

#include <fmt/format.h>

#include "base/utf8.hpp"
#include "findings/render.hpp"
#include "insight/live/reading.hpp"

namespace howdah::cli {

namespace live = insight::live;
using proxy::kInt8;
using proxy::kNumeric;
using proxy::kText;
using proxy::RowBuilder;
using proxy::Table;

namespace {

constexpr std::size_t kStatementsMax = 200;
constexpr std::size_t kTextMax = 500;

// Narrow ones fit 120 columns of psql: numbers, and one cell of text with line breaks.
constexpr std::size_t kQueryWidth = 44;
constexpr std::size_t kQueryMax = 300;
constexpr std::size_t kFindingWidth = 68;

Table queries_table() {
    Table table{{"fingerprint", kText}};
    table.columns_of(kInt8, {"calls", "errors"});
    table.columns_of(kNumeric, {"mean_ms", "p95_ms", "max_ms"});
    table.text_columns({"query"});
    return table;
}

Table full_queries_table() {
    Table table{{"fingerprint", kText}, {"database", kText}, {"application_name", kText}};
    table.columns_of(kInt8, {"calls", "errors", "rows"});
    table.columns_of(kNumeric, {"server_ms", "mean_ms", "p95_ms", "p99_ms", "max_ms", "queue_ms",
                                "network_ms", "cache_ms"});
    table.text_columns({"first_seen", "last_seen", "query"});
    return table;
}

Table findings_table() {
    Table table{{"rule", kText}, {"confidence", kText}};
    table.columns_of(kNumeric, {"s_a_day"});
    table.text_columns({"finding"});
    return table;
}

Table full_findings_table() {
    Table table{{"id", kText}, {"rule", kText}, {"severity", kText}, {"confidence", kText}};
    table.columns_of(kInt8, {"count"});
    table.columns_of(kNumeric, {"seconds_a_day"});
    table.text_columns(
        {"database", "application_name", "route", "message", "evidence", "fix", "last_seen"});
    return table;
}

std::string ms(double us) {
    return fmt::format("{:.3f}", us / 1e3);
}

std::string joined(const std::vector<std::string>& names) {
    return fmt::format("{}", fmt::join(names, ", "));
}

std::string joined(const std::vector<live::NamedPart>& parts) {
    std::vector<std::string> names;
    for (const live::NamedPart& part : parts) {
        names.push_back(part.name);
    }
    return joined(names);
}

std::string mean_ms(const live::StatementDetail& detail) {
    const auto calls = static_cast<double>(std::max<std::uint64_t>(1, detail.calls));
    return ms(static_cast<double>(detail.server_us) / calls);
}

std::string fingerprint_of(const live::StatementDetail& detail) {
    return detail.key == 0 ? "(other)" : fmt::format("{:016x}", detail.key);
}

// "shop, billing / web, worker"
std::string callers_of(const std::string& databases, const std::string& applications) {
    return databases + (applications.empty() ? "" : " / " + applications);
}

void add_query(Table& table, const live::StatementDetail& detail) {
    RowBuilder cells;
    cells.text(fingerprint_of(detail)).number(detail.calls).number(detail.errors);
    cells.text(mean_ms(detail)).text(ms(detail.server.p95)).text(ms(detail.server.max));
    const std::string text =
        detail.statement ? clean_utf8(detail.statement->normalized, kQueryMax) : "";
    const std::string callers = callers_of(joined(detail.databases), joined(detail.applications));
    cells.text(wrapped(text.empty() ? callers : text + "\n" + callers, kQueryWidth));
    table.rows.push_back(cells.take());
}

void add_full_query(Table& table, const live::StatementDetail& detail) {
    RowBuilder cells;
    cells.text(fingerprint_of(detail));
    cells.text(joined(detail.databases)).text(joined(detail.applications));
    cells.number(detail.calls).number(detail.errors).number(detail.rows);
    cells.text(ms(static_cast<double>(detail.server_us)));
    cells.text(mean_ms(detail));
    cells.text(ms(detail.server.p95)).text(ms(detail.server.p99)).text(ms(detail.server.max));
    cells.text(ms(static_cast<double>(detail.queue_us)));
    cells.text(ms(static_cast<double>(detail.network_us)));
    cells.text(ms(static_cast<double>(detail.cache_us)));
    cells.time(detail.first_us).time(detail.last_us);
    cells.text(detail.statement ? clean_utf8(detail.statement->normalized, kTextMax) : "");
    table.rows.push_back(cells.take());
}

void add_finding(Table& table, const live::LiveFinding& live) {
    const Finding& finding = live.finding;
    RowBuilder cells;
    cells.text(finding.rule).text(finding.confidence);
    cells.text(fmt::format("{:.1f}", live.lost_ms_a_day / 1e3));
    std::string text = finding.message + "\nSeen: " + finding.evidence + "\nDo: " + finding.fix;
    const std::string callers = callers_of(joined(live.databases), joined(live.applications));
    text += "\nBy: " + callers + (live.routes.empty() ? "" : " / " + joined(live.routes));
    cells.text(wrapped(clean_utf8(text), kFindingWidth));
    table.rows.push_back(cells.take());
}

void add_full_finding(Table& table, const live::LiveFinding& live) {
    const Finding& finding = live.finding;
    RowBuilder cells;
    cells.text(live.id).text(finding.rule);
    cells.text(std::string(findings::severity_name(finding.severity)));
    cells.text(finding.confidence).number(live.count);
    cells.text(fmt::format("{:.1f}", live.lost_ms_a_day / 1e3));
    cells.text(joined(live.databases)).text(joined(live.applications)).text(joined(live.routes));
    cells.text(clean_utf8(finding.message)).text(clean_utf8(finding.evidence));
    cells.text(clean_utf8(finding.fix)).time(live.last_us);
    table.rows.push_back(cells.take());
}

}  // namespace

std::string wrapped(std::string_view text, std::size_t width) {
    std::string lines;
    std::size_t used = 0;          // characters of this line
    std::size_t blank = 0;         // where it may be broken; 0: nowhere
    std::size_t behind_blank = 0;  // characters behind that
    while (!text.empty()) {
        const std::size_t bytes = std::max<std::size_t>(1, utf8_character_bytes(text));
        if (text.front() == '\n' || (text.front() == ' ' && used == width)) {
            used = blank = behind_blank = 0;
            lines += '\n';
            text.remove_prefix(1);
            continue;
        }
        if (used == width && blank > 0) {
            lines[blank - 1] = '\n';
            used = behind_blank;
            blank = 0;
        } else if (used == width) {
            lines += '\n';
            used = behind_blank = 0;
        }
        lines += text.substr(0, bytes);
        ++used;
        ++behind_blank;
        if (text.front() == ' ') {
            blank = lines.size();
            behind_blank = 0;
        }
        text.remove_prefix(bytes);
    }
    return lines;
}

Table empty_table(std::string_view what) {
    return what == "queries"        ? queries_table()
           : what == "queries_full" ? full_queries_table()
           : what == "findings"     ? findings_table()
                                    : full_findings_table();
}

Table insight_table(const live::Engine& engine, std::string_view what) {
    Table table = empty_table(what);
    if (what.starts_with("queries")) {
        for (const live::StatementDetail& detail : engine.top(kStatementsMax)) {
            (what == "queries" ? add_query : add_full_query)(table, detail);
        }
    } else {
        for (const live::LiveFinding& finding : engine.findings()) {
            (what == "findings" ? add_finding : add_full_finding)(table, finding);
        }
    }
    return table;
}

}  // namespace howdah::cli
