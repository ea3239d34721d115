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

Table queries_table() {
    Table table{{"fingerprint", kText}, {"database", kText}, {"application_name", kText}};
    table.columns_of(kInt8, {"calls", "errors", "rows"});
    table.columns_of(
        kNumeric, {"server_ms", "mean_ms", "p95_ms", "p99_ms", "max_ms", "queue_ms", "network_ms"});
    table.text_columns({"first_seen", "last_seen", "query"});
    return table;
}

Table findings_table() {
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

void add_query(Table& table, const live::StatementDetail& detail) {
    RowBuilder cells;
    const bool other = detail.key == 0;
    cells.text(other ? "(other)" : fmt::format("{:016x}", detail.key));
    cells.text(joined(detail.databases)).text(joined(detail.applications));
    cells.number(detail.calls).number(detail.errors).number(detail.rows);
    cells.text(ms(static_cast<double>(detail.server_us)));
    cells.text(ms(static_cast<double>(detail.server_us) /
                  static_cast<double>(std::max<std::uint64_t>(1, detail.calls))));
    cells.text(ms(detail.server.p95)).text(ms(detail.server.p99)).text(ms(detail.server.max));
    cells.text(ms(static_cast<double>(detail.queue_us)));
    cells.text(ms(static_cast<double>(detail.network_us)));
    cells.time(detail.first_us).time(detail.last_us);
    cells.text(detail.statement ? clean_utf8(detail.statement->normalized, kTextMax) : "");
    table.rows.push_back(cells.take());
}

void add_finding(Table& table, const live::LiveFinding& live) {
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

Table empty_table(std::string_view what) {
    return what == "queries" ? queries_table() : findings_table();
}

Table insight_table(const live::Engine& engine, std::string_view what) {
    Table table = empty_table(what);
    if (what == "queries") {
        for (const live::StatementDetail& detail : engine.top(kStatementsMax)) {
            add_query(table, detail);
        }
    } else {
        for (const live::LiveFinding& finding : engine.findings()) {
            add_finding(table, finding);
        }
    }
    return table;
}

}  // namespace howdah::cli
