// What the HTTP API answers, as JSON. Pure. Shapes:
// docs/schemas/howdah.{pools,queries,ready,health, error}-1.json.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "insight/live/engine.hpp"
#include "proxy/snapshot.hpp"

namespace howdah::web {

// The page of /api/queries that was asked for.
struct QueryPage {
    static constexpr std::size_t kLimitMax = 500;
    std::string sort = "server_ms";
    bool ascending = false;
    std::size_t limit = 50;
    std::size_t offset = 0;
    std::string search;                   // part of the text, any case
    insight::live::CallerFilter callers;  // database, user, application, client, tag
};
// From the part of the target behind '?'. Errors: kInvalidInput, with the parameter's name.
[[nodiscard]] Result<QueryPage> parse_query_page(std::string_view query);

// insight: null when there is none; else each row has its details as well.
[[nodiscard]] std::string queries_json(std::vector<proxy::FingerprintEntry> statements,
                                       const proxy::FingerprintEntry& other, const QueryPage& page,
                                       const insight::live::Engine* insight);
[[nodiscard]] std::string pools_json(const std::vector<proxy::PoolSnapshot>& pools, bool draining);

struct DatabaseReadiness {
    std::string name;
    std::string state;  // connected, reachable, unreachable, paused, disabled
    [[nodiscard]] bool ready() const { return state != "unreachable" && state != "paused"; }
};
struct Readiness {
    bool ready = false;
    std::string reason;  // empty when ready
    std::vector<DatabaseReadiness> databases;
};
// `detail`: with the databases' names.
[[nodiscard]] std::string ready_json(const Readiness& readiness, bool detail);
[[nodiscard]] std::string health_json(bool healthy, std::size_t loops);
[[nodiscard]] std::string error_json(std::string_view message);

}  // namespace howdah::web
