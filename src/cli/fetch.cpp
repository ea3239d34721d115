#include "cli/fetch.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <memory>

namespace howdah::cli {
namespace {

constexpr long kTimeoutMs = 10'000;
constexpr std::size_t kBodyMax = 64UL << 20;
constexpr std::size_t kPageRows = 500;
constexpr std::size_t kPagesMax = 40;

std::size_t collect(char* data, std::size_t size, std::size_t count, void* into) {
    auto& body = *static_cast<std::string*>(into);
    if (body.size() + size * count > kBodyMax) {
        return 0;
    }
    body.append(data, size * count);
    return size * count;
}

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
    const double now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    return std::max(now - start, 1.0) / 86'400;
}

}  // namespace

Result<std::string> fetch(const std::string& url, const std::string& token) {
    const std::unique_ptr<CURL, void (*)(CURL*)> easy(curl_easy_init(), curl_easy_cleanup);
    std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(nullptr, curl_slist_free_all);
    if (!token.empty()) {
        headers.reset(curl_slist_append(nullptr, ("Authorization: Bearer " + token).c_str()));
    }
    std::string body;
    char error[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, kTimeoutMs);
    curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(easy.get(), CURLOPT_ERRORBUFFER, error);
    if (const CURLcode code = curl_easy_perform(easy.get()); code != CURLE_OK) {
        return fail(ErrorCode::kUnavailable,
                    fmt::format("{}: {}", url, *error != '\0' ? error : curl_easy_strerror(code)));
    }
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status == 401 || status == 403) {
        return fail(ErrorCode::kUnavailable, fmt::format("{}: not allowed ({})", url, status));
    }
    if (status != 200) {
        return fail(ErrorCode::kUnavailable, fmt::format("{}: status {}", url, status));
    }
    return body;
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
