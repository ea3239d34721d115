// What a request to the HTTP server brings: the query strings of its pages, the headers that decide
// who may ask, and the address to listen on. Accepted pages are within their bounds, and are
// answered; nobody gets in with a token that is not the token.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "web/guard.hpp"
#include "web/insight_json.hpp"
#include "web/json.hpp"

using namespace howdah::web;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto page = parse_query_page(text)) {
        ASSERT(page->limit <= QueryPage::kLimitMax);
        const std::vector<howdah::proxy::FingerprintEntry> rows(3);
        ASSERT(!queries_json(rows, {}, *page, nullptr).empty());
    }
    if (const auto page = parse_finding_page(text)) {
        ASSERT(page->limit <= FindingPage::kLimitMax);
        const std::vector<howdah::insight::live::LiveFinding> rows(3);
        ASSERT(!findings_json(rows, *page).empty());
    }
    (void)parse_parameters(text);
    (void)host_allowed(text, {"howdah.example.com"});
    ASSERT(!token_accepted(text, "a token that no input guesses, however long it is mutated"));
    if (const auto address = parse_listen_address(text)) {
        ASSERT(!address->host.empty());
    }
    return 0;
}
