// QueryEvent: what the proxy tells the rest about one finished statement. A plain value written to
// a bounded ring per loop (drop and count when full); the control plane drains it.
//
// All times are microseconds. Texts are never in here: `fingerprint` and `text_id` lead to them.
#pragma once

#include <array>
#include <cstdint>

namespace howdah {

enum class QueryProtocol : std::uint8_t { kSimple, kExtended, kFunctionCall, kCopy };

struct QueryEvent {
    std::uint64_t fingerprint = 0;     // Statement::key() of the statement; 0 = unknown
    std::uint64_t text_id = 0;         // hash of the exact text
    std::uint64_t session_id = 0;      // unique per client connection in this process
    std::uint64_t transaction_id = 0;  // unique per transaction in this process
    std::uint64_t params_hash = 0;     // salted hash of the bind parameters; 0 = none
    std::uint64_t tags_id = 0;         // interned sqlcommenter tags; 0 = none
    std::uint64_t trace_id = 0;        // salted hash of the traceparent tag's trace; 0 = none
    std::uint64_t tap_id = 0;          // of the values seen (tap.hpp); 0 = none
    std::int64_t started_us = 0;       // wall clock, since 1970
    std::uint32_t queue_us = 0;        // waiting for a server connection
    std::uint32_t server_us = 0;       // first byte sent to last byte received
    std::uint32_t network_us = 0;      // last byte received to last byte taken by the client
    std::uint32_t cache_us = 0;        // being answered by a cache; 0: by a server
    std::uint32_t database_id = 0;     // interned name
    std::uint32_t user_id = 0;         // interned name
    std::uint32_t application_id = 0;  // interned name
    std::uint32_t client_id = 0;       // interned address, without the port
    std::uint32_t effects = 0;         // sql::Effect bits
    std::uint32_t server_pid = 0;      // backend that ran it
    std::uint64_t rows = 0;
    std::uint64_t bytes_in = 0;      // from the client
    std::uint64_t bytes_out = 0;     // to the client
    std::array<char, 5> sqlstate{};  // zeros = no error
    QueryProtocol protocol = QueryProtocol::kSimple;
    std::uint8_t kind = 0;          // sql::StatementKind
    char transaction_status = 'I';  // after the statement: I, T or E
};

}  // namespace howdah
