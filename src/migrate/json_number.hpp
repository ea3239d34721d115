// A number of a journal that a person may have edited: any JSON, but only what fits. Pure.
#pragma once

#include <boost/json/value.hpp>
#include <cmath>
#include <cstdint>
#include <optional>

namespace howdah::migrate {

// Numbers of the tools' journals are JavaScript's: whole up to here, and never more in earnest.
inline constexpr double kJournalNumberMax = 9'007'199'254'740'991.0;

// The number, its fraction cut off; nullopt for what is none or is larger than a journal's can be.
inline std::optional<std::int64_t> journal_number(const boost::json::value* value) {
    if (value == nullptr || !value->is_number()) {
        return std::nullopt;
    }
    boost::system::error_code error;
    const double number = value->to_number<double>(error);
    if (error || !(std::abs(number) <= kJournalNumberMax)) {
        return std::nullopt;
    }
    return value->is_int64() ? value->get_int64() : static_cast<std::int64_t>(number);
}

}  // namespace howdah::migrate
