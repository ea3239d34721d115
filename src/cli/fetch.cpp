#include "cli/fetch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <ctime>

#include "http/get.hpp"

namespace howdah::cli {
namespace {

constexpr std::size_t kBodyMax = 64UL << 20;
constexpr std::size_t kPageRows = 500;
constexpr std::size_t kPagesMax = 40;

// Days since `process_start_time_seconds` of a /metrics text; 1 when it is not there.
double days_up(std::string_view metrics) {
    constexpr std::string_view kName = "\nprocess_start_time_seconds ";
    const std::size_t at = metrics.find(kName);
    if (at == std::string_view::npos) {
        return 1;
    }
    double start = 0;
    const std::string_view rest = metrics.substr(at + kName.size());
    std::from_chars(rest.data(), rest.data() + rest.size(), start);
    const auto now = static_cast<double>(std::time(nullptr));
    return std::max(now - start, 1.0) / 86'400;
}

}  // namespace

Result<std::string> fetch(const std::string& url, const std::string& token) {
    Result<http::Answer> answer =
        http::get({.url = url, .token = token, .body_bytes_max = kBodyMax});
    if (!answer) {
        return fail_in(url, std::move(answer).error());
    }
    if (answer->status == 401 || answer->status == 403) {
        return fail(ErrorCode::kUnavailable,
                    fmt::format("{}: not allowed ({})", url, answer->status));
    }
    if (answer->status != 200) {
        return fail(ErrorCode::kUnavailable, fmt::format("{}: status {}", url, answer->status));
    }
    if (answer->cut) {
        return fail(ErrorCode::kUnavailable, url + ": the answer is too long");
    }
    return std::move(answer->body);
}

Result<RunningQueries> fetch_queries(std::string base, const std::string& token) {
    for (const std::string_view ending : {"/", "/api/queries"}) {
        if (base.ends_with(ending)) {
            base.resize(base.size() - ending.size());
        }
    }
    RunningQueries found;
    for (std::size_t page = 0; page < kPagesMax; ++page) {
        TRY(std::string text, fetch(fmt::format("{}/api/queries?limit={}&offset={}", base,
                                                kPageRows, page * kPageRows),
                                    token));
        boost::system::error_code error;
        const boost::json::value value = boost::json::parse(text, error);
        const boost::json::object* object = value.if_object();
        const boost::json::value* rows =
            object == nullptr ? nullptr : object->if_contains("queries");
        if (rows == nullptr || !rows->is_array()) {
            return fail(ErrorCode::kInvalidInput, base + ": this is no howdah's HTTP interface");
        }
        const std::size_t count = rows->as_array().size();
        found.pages.push_back(std::move(text));
        if (count < kPageRows) {
            break;
        }
    }
    const Result<std::string> metrics = fetch(base + "/metrics", token);
    found.days = metrics ? days_up(*metrics) : 1;
    return found;
}

}  // namespace howdah::cli
