// What the files that read the two sides' texts share; private to this module.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "sql/statement.hpp"

namespace howdah::proxy {

// A text up to this size is looked into; a larger one is forwarded piece by piece as unknown.
inline constexpr std::size_t kInspectMax = 64 * 1024;

// A Parse up to this size is kept, to prepare it on other servers; a larger one pins.
inline constexpr std::size_t kParseMax = 16 * 1024 * 1024;

// What may have left something behind that ties the client to its server.
inline constexpr std::uint32_t kMayPin = sql::kTempObject | sql::kAdvisoryLock | sql::kHoldCursor |
                                         sql::kListen | sql::kUnknownCode | sql::kUnparsed;

// What may have changed the session's parameters.
inline constexpr std::uint32_t kTouchesParameters =
    sql::kSetSession | sql::kDiscardAll | sql::kUnknownCode | sql::kUnparsed;

// What is assumed of a text that nobody looks into.
inline constexpr std::uint32_t kUnknownText = sql::kUnparsed | sql::kUnknownCode | sql::kWrite;

inline std::string_view as_text(std::span<const std::uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What a log may say of it: a server that refuses a value (SQLSTATE class 22) quotes it.
inline std::string loggable_message(const Error& error) {
    return error.code == ErrorCode::kServer && error.sqlstate.starts_with("22")
               ? "the server refused a value, SQLSTATE " + error.sqlstate
               : error.message;
}

}  // namespace howdah::proxy
