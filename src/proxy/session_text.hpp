// What the files that read the client's texts share; private to this module.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sql/statement.hpp"

namespace howdah::proxy {

// A text up to this size is looked into; a larger one is forwarded piece by piece as unknown.
inline constexpr std::size_t kInspectMax = 64 * 1024;

// A Parse up to this size is kept, to prepare it on other servers; a larger one pins.
inline constexpr std::size_t kParseMax = 16 * 1024 * 1024;

// What may have changed the session's parameters.
inline constexpr std::uint32_t kTouchesParameters =
    sql::kSetSession | sql::kDiscardAll | sql::kUnknownCode | sql::kUnparsed;

// What is assumed of a text that nobody looks into.
inline constexpr std::uint32_t kUnknownText = sql::kUnparsed | sql::kUnknownCode | sql::kWrite;

inline std::string_view as_text(std::span<const std::uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace howdah::proxy
