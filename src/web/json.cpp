#include "web/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <boost/url.hpp>
#include <charconv>
#include <unordered_set>

#include "base/utf8.hpp"
#include "web/insight_json.hpp"

namespace howdah::web {
namespace {

namespace json = boost::json;
using proxy::FingerprintEntry;
using proxy::PoolSnapshot;

constexpr std::size_t kTextMax = 4096;

double milliseconds(std::uint64_t us) {
    return static_cast<double>(us) / 1e3;
}

double mean(std::uint64_t us, std::uint64_t count) {
    return count == 0 ? 0 : milliseconds(us) / static_cast<double>(count);
}

struct SortKey {
    std::string_view name;
    double (*value)(const FingerprintEntry&);
};
constexpr SortKey kSortKeys[] = {
    {"server_ms", [](const FingerprintEntry& e) { return milliseconds(e.server_us); }},
    {"queue_ms", [](const FingerprintEntry& e) { return milliseconds(e.queue_us); }},
    {"network_ms", [](const FingerprintEntry& e) { return milliseconds(e.network_us); }},
    {"cache_ms", [](const FingerprintEntry& e) { return milliseconds(e.cache_us); }},
    {"server_ms_mean", [](const FingerprintEntry& e) { return mean(e.server_us, e.calls); }},
    {"server_ms_max", [](const FingerprintEntry& e) { return milliseconds(e.server_us_max); }},
    {"calls", [](const FingerprintEntry& e) { return static_cast<double>(e.calls); }},
    {"errors", [](const FingerprintEntry& e) { return static_cast<double>(e.errors); }},
    {"rows", [](const FingerprintEntry& e) { return static_cast<double>(e.rows); }},
    {"bytes_in", [](const FingerprintEntry& e) { return static_cast<double>(e.bytes_in); }},
    {"bytes_out", [](const FingerprintEntry& e) { return static_cast<double>(e.bytes_out); }},
};

const SortKey* find_sort_key(std::string_view name) {
    const auto* found = std::ranges::find(kSortKeys, name, &SortKey::name);
    return found == std::end(kSortKeys) ? nullptr : found;
}

Result<std::string> decode(std::string_view encoded) {
    const auto checked = boost::urls::make_pct_string_view({encoded.data(), encoded.size()});
    if (!checked) {
        return fail(ErrorCode::kInvalidInput, "the query string is not URL-encoded");
    }
    boost::urls::encoding_opts form;
    form.space_as_plus = true;
    return checked->decode(form);
}

Result<> take_parameter(QueryPage& page, std::string_view key, const std::string& value) {
    if (key == "sort" && find_sort_key(value) != nullptr) {
        page.sort = value;
    } else if (key == "order" && (value == "asc" || value == "desc")) {
        page.ascending = value == "asc";
    } else if (key == "limit") {
        TRY(page.limit, parse_number("limit", value));
        if (page.limit == 0 || page.limit > QueryPage::kLimitMax) {
            return fail(ErrorCode::kInvalidInput,
                        fmt::format("limit: 1 to {}", QueryPage::kLimitMax));
        }
    } else if (key == "offset") {
        TRY(page.offset, parse_number("offset", value));
    } else if (key == "search") {
        page.search = value;
    } else if (std::string* caller = caller_parameter(page.callers, key)) {
        *caller = value;
    } else {
        std::string keys;
        for (const SortKey& known : kSortKeys) {
            keys += fmt::format("{}{}", keys.empty() ? "" : ", ", known.name);
        }
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("parameters are sort ({}), order (asc, desc), limit, offset, "
                                "search, database, user, application, client and tag",
                                keys));
    }
    return {};
}

json::object sums_of(const FingerprintEntry& entry) {
    return {{"calls", entry.calls},
            {"errors", entry.errors},
            {"rows", entry.rows},
            {"bytes_in", entry.bytes_in},
            {"bytes_out", entry.bytes_out},
            {"queue_ms", milliseconds(entry.queue_us)},
            {"server_ms", milliseconds(entry.server_us)},
            {"network_ms", milliseconds(entry.network_us)},
            {"cache_ms", milliseconds(entry.cache_us)},
            {"server_ms_mean", mean(entry.server_us, entry.calls)},
            {"server_ms_max", milliseconds(entry.server_us_max)}};
}

std::string_view kind_name(sql::StatementKind kind) {
    constexpr std::string_view kNames[] = {
        "empty", "select", "insert",      "update",   "delete", "merge", "copy",  "explain",
        "show",  "set",    "transaction", "prepared", "cursor", "ddl",   "other", "unparsed"};
    const auto index = static_cast<std::size_t>(kind);
    return index < std::size(kNames) ? kNames[index] : "other";
}

json::object statement_of(const FingerprintEntry& entry) {
    json::object object = sums_of(entry);
    const std::string& text = entry.statement->normalized;
    object["fingerprint"] = fmt::format("{:016x}", entry.statement->key());
    object["kind"] = kind_name(entry.statement->kind);
    object["text"] = clean_utf8(text, kTextMax);
    object["text_cut"] = text.size() > kTextMax;
    return object;
}

}  // namespace

std::string* caller_parameter(insight::live::CallerFilter& callers, std::string_view key) {
    const std::pair<std::string_view, std::string*> known[] = {
        {"database", &callers.database},
        {"user", &callers.user},
        {"application", &callers.application},
        {"client", &callers.client},
        {"tag", &callers.tag},
    };
    for (const auto& [name, value] : known) {
        if (name == key) {
            return value;
        }
    }
    return nullptr;
}

Result<std::size_t> parse_number(std::string_view name, std::string_view text) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) {
        return fail(ErrorCode::kInvalidInput, fmt::format("{}: not a number", name));
    }
    return number;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_parameters(std::string_view query) {
    std::vector<std::pair<std::string, std::string>> parameters;
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view item = query.substr(0, end);
        query.remove_prefix(std::min(query.size(), end + 1));
        const std::size_t equals = std::min(item.find('='), item.size());
        TRY(std::string value, decode(item.substr(std::min(item.size(), equals + 1))));
        parameters.emplace_back(item.substr(0, equals), std::move(value));
    }
    return parameters;
}

bool contains_word(std::string_view text, std::string_view word) {
    const auto same = [](char a, char b) {
        return std::tolower(static_cast<unsigned char>(a)) ==
               std::tolower(static_cast<unsigned char>(b));
    };
    return !std::ranges::search(text, word, same).empty() || word.empty();
}

namespace {

const char* mode_name(config::PoolMode mode) {
    switch (mode) {
        case config::PoolMode::kSession:
            return "session";
        case config::PoolMode::kTransaction:
            return "transaction";
        case config::PoolMode::kStatement:
            return "statement";
    }
    return "";
}

json::object pool_of(const PoolSnapshot& pool) {
    return {{"database", clean_utf8(pool.database)},
            {"user", clean_utf8(pool.user)},
            {"mode", mode_name(pool.mode)},
            {"size", pool.size},
            {"reserve_size", pool.reserve_size},
            {"clients", pool.clients},
            {"waiting", pool.servers.waiting},
            {"wait_ms_max", milliseconds(static_cast<std::uint64_t>(pool.wait_us_max))},
            {"paused", pool.paused},
            {"disabled", pool.disabled},
            {"failing", pool.failing},
            {"servers",
             {{"active", pool.servers.leased},
              {"idle", pool.servers.idle},
              {"testing", pool.servers.checking + pool.servers.resetting},
              {"login", pool.servers.connecting}}},
            {"totals",
             {{"transactions", pool.stats.transactions},
              {"queries", pool.stats.queries},
              {"errors", pool.stats.errors},
              {"wait_ms", milliseconds(pool.stats.wait_us)},
              {"query_ms", milliseconds(pool.stats.query_us)},
              {"transaction_ms", milliseconds(pool.stats.transaction_us)},
              {"pins", pool.stats.pins},
              {"connects", pool.stats.connects},
              {"connect_failures", pool.stats.connect_failures},
              {"cancels", pool.stats.cancels}}}};
}

}  // namespace

Result<QueryPage> parse_query_page(std::string_view query) {
    QueryPage page;
    TRY(const auto parameters, parse_parameters(query));
    for (const auto& [key, value] : parameters) {
        TRY_VOID(take_parameter(page, key, value));
    }
    return page;
}

std::string queries_json(std::vector<FingerprintEntry> statements, const FingerprintEntry& other,
                         const QueryPage& page, const insight::live::Engine* insight) {
    std::unordered_set<std::uint64_t> sent;
    const bool filtered = insight != nullptr && !page.callers.empty();
    if (filtered) {
        for (const std::uint64_t key : insight->matching(page.callers)) {
            sent.insert(key);
        }
    }
    std::erase_if(statements, [&](const FingerprintEntry& entry) {
        return (filtered && !sent.contains(entry.statement->key())) ||
               !contains_word(entry.statement->normalized, page.search);
    });
    const SortKey* key = find_sort_key(page.sort);
    // Equal ones by fingerprint, so that pages do not overlap.
    std::ranges::sort(statements, [&](const FingerprintEntry& a, const FingerprintEntry& b) {
        const double left = key->value(a);
        const double right = key->value(b);
        if (left != right) {
            return page.ascending ? left < right : left > right;
        }
        return a.statement->key() < b.statement->key();
    });
    json::array rows;
    const std::size_t begin = std::min(page.offset, statements.size());
    const std::size_t end = begin + std::min(page.limit, statements.size() - begin);
    for (std::size_t i = begin; i < end; ++i) {
        json::object row = statement_of(statements[i]);
        if (insight != nullptr) {
            add_details(row, *insight, statements[i].statement->key());
        }
        rows.push_back(std::move(row));
    }
    return json::serialize(json::object{{"schema", "howdah.queries/1"},
                                        {"total", statements.size()},
                                        {"offset", page.offset},
                                        {"limit", page.limit},
                                        {"sort", page.sort},
                                        {"order", page.ascending ? "asc" : "desc"},
                                        {"queries", std::move(rows)},
                                        {"other", sums_of(other)}});
}

std::string pools_json(const std::vector<PoolSnapshot>& pools, bool draining) {
    json::array rows;
    for (const PoolSnapshot& pool : pools) {
        rows.push_back(pool_of(pool));
    }
    return json::serialize(json::object{
        {"schema", "howdah.pools/1"}, {"draining", draining}, {"pools", std::move(rows)}});
}

std::string ready_json(const Readiness& readiness, bool detail) {
    json::object object{
        {"schema", "howdah.ready/1"}, {"ready", readiness.ready}, {"reason", readiness.reason}};
    if (detail) {
        json::array rows;
        for (const DatabaseReadiness& database : readiness.databases) {
            rows.push_back(json::object{{"name", clean_utf8(database.name)},
                                        {"state", database.state},
                                        {"ready", database.ready()}});
        }
        object["databases"] = std::move(rows);
    }
    return json::serialize(object);
}

std::string health_json(bool healthy, std::size_t loops) {
    return json::serialize(
        json::object{{"schema", "howdah.health/1"}, {"healthy", healthy}, {"loops", loops}});
}

std::string error_json(std::string_view message) {
    return json::serialize(
        json::object{{"schema", "howdah.error/1"}, {"error", clean_utf8(message)}});
}

}  // namespace howdah::web
