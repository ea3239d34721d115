#include "cli/running_traffic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <ctime>
#include <thread>

#include "base/clock.hpp"
#include "cli/fetch.hpp"

namespace howdah::cli {
namespace {

namespace json = boost::json;
namespace ml = migrate::lint;

constexpr std::chrono::nanoseconds kSample = std::chrono::seconds(1);
constexpr double kDaySeconds = 86'400;

// Seconds since "2026-01-31 12:00:00 UTC" or "2026-01-31T12:00:00Z"; `otherwise` when it is none.
double seconds_since(std::string time, double otherwise) {
    if (time.size() > 10 && time[10] == 'T') {
        time[10] = ' ';
    }
    std::tm broken{};
    if (strptime(time.c_str(), "%Y-%m-%d %H:%M:%S", &broken) == nullptr) {
        return otherwise;
    }
    return std::max(1.0, static_cast<double>(std::time(nullptr) - timegm(&broken)));
}

std::string text_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

double number_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

// The names of [{"name": ...}, ...].
std::vector<std::string> names_of(const json::object& object, std::string_view key) {
    std::vector<std::string> names;
    const json::value* list = object.if_contains(key);
    if (list != nullptr && list->is_array()) {
        for (const json::value& item : list->as_array()) {
            if (const json::object* part = item.if_object()) {
                names.push_back(text_of(*part, "name"));
            }
        }
    }
    return names;
}

std::string detail_of(const std::string& applications, const std::string& last_seen) {
    std::string detail = applications.empty() ? "" : "by " + applications;
    if (!last_seen.empty()) {
        detail += fmt::format("{}last {}", detail.empty() ? "" : ", ", last_seen);
    }
    return detail.empty() ? detail : "(" + detail + ")";
}

struct Seen {
    ml::SeenQuery query;
    std::vector<std::string> databases;
};

// One database's, when there is any of it.
std::vector<ml::SeenQuery> of_database(std::vector<Seen> all, const std::string& database,
                                       bool& known) {
    const auto is_of = [&](const Seen& seen) {
        return std::ranges::find(seen.databases, database) != seen.databases.end();
    };
    known = database.empty() || std::ranges::any_of(all, is_of);
    std::vector<ml::SeenQuery> queries;
    for (Seen& seen : all) {
        if (!known || database.empty() || is_of(seen)) {
            queries.push_back(std::move(seen.query));
        }
    }
    return queries;
}

}  // namespace

Result<RunningTraffic> RunningTraffic::over_http(std::string base, std::string token,
                                                 std::string database) {
    RunningTraffic running;
    running.base_ = std::move(base);
    running.token_ = std::move(token);
    running.database_ = std::move(database);
    TRY_VOID(running.start());
    return running;
}

Result<RunningTraffic> RunningTraffic::from_console(pg::Connection console, std::string database) {
    RunningTraffic running;
    running.console_.emplace(std::move(console));
    running.database_ = std::move(database);
    TRY_VOID(running.start());
    return running;
}

Result<> RunningTraffic::start() {
    TRY(const std::vector<ml::SeenQuery> queries, ask());
    read_ns_ = steady_now().time_since_epoch().count();
    traffic_.read(queries);
    return {};
}

Result<> RunningTraffic::sample() {
    const std::chrono::nanoseconds passed(steady_now().time_since_epoch().count() - read_ns_);
    std::this_thread::sleep_for(kSample - std::min(kSample, passed));
    TRY(const std::vector<ml::SeenQuery> queries, ask());
    const std::chrono::nanoseconds since(steady_now().time_since_epoch().count() - read_ns_);
    traffic_.read_again(queries, std::chrono::duration<double>(since).count());
    return {};
}

Result<std::vector<ml::SeenQuery>> RunningTraffic::ask() {
    return console_ ? ask_console() : ask_http();
}

Result<std::vector<ml::SeenQuery>> RunningTraffic::ask_http() {
    TRY(const RunningQueries running, fetch_queries(base_, token_));
    std::vector<Seen> all;
    for (const std::string& page : running.pages) {
        boost::system::error_code error;
        const json::value root = json::parse(page, error);
        const json::object* object = root.if_object();
        const json::value* rows = object == nullptr ? nullptr : object->if_contains("queries");
        for (const json::value& row :
             rows == nullptr || !rows->is_array() ? json::array() : rows->as_array()) {
            const json::object* fields = row.if_object();
            if (fields == nullptr) {
                continue;
            }
            const double up = running.days * kDaySeconds;
            all.push_back(
                {{.id = text_of(*fields, "fingerprint"),
                  .text = text_of(*fields, "text"),
                  .calls = number_of(*fields, "calls"),
                  .seconds = std::min(up, seconds_since(text_of(*fields, "first_seen"), up)),
                  .detail = detail_of(
                      fmt::format("{}", fmt::join(names_of(*fields, "applications"), ", ")),
                      text_of(*fields, "last_seen"))},
                 names_of(*fields, "databases")});
        }
    }
    return of_database(std::move(all), database_, knows_database_);
}

Result<std::vector<ml::SeenQuery>> RunningTraffic::ask_console() {
    TRY(const pg::Rows rows, console_->query("show queries_full"));
    std::map<std::string, std::size_t> columns;
    for (std::size_t i = 0; i < rows.columns(); ++i) {
        columns[std::string(rows.column_name(i))] = i;
    }
    for (const char* needed : {"fingerprint", "database", "application_name", "calls", "first_seen",
                               "last_seen", "query"}) {
        if (!columns.contains(needed)) {
            return fail(ErrorCode::kUnavailable,
                        "SHOW QUERIES_FULL has no column " + std::string(needed));
        }
    }
    std::vector<Seen> all;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto cell = [&](const char* name) { return rows.string(i, columns.at(name)); };
        std::vector<std::string> databases;
        const std::string joined = cell("database");
        for (std::size_t at = 0; at < joined.size();) {
            const std::size_t comma = std::min(joined.find(", ", at), joined.size());
            databases.push_back(joined.substr(at, comma - at));
            at = comma + 2;
        }
        all.push_back({{.id = cell("fingerprint"),
                        .text = cell("query"),
                        .calls = rows.number(i, columns.at("calls")),
                        .seconds = seconds_since(cell("first_seen"), kDaySeconds),
                        .detail = detail_of(cell("application_name"), cell("last_seen"))},
                       std::move(databases)});
    }
    return of_database(std::move(all), database_, knows_database_);
}

}  // namespace howdah::cli
