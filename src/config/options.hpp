// The option tables: from them come parsing, defaults, SHOW CONFIG, SET, RELOAD's differences and
// docs/configuration.md. A new option is a field in settings.hpp and a row here.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "config/settings.hpp"
#include "config/value.hpp"

namespace howdah::config {

// One option of S = Settings, DatabaseSettings, UserSettings or PeerSettings.
template <typename S>
struct Option {
    // How to reach the field; made by field<&S::name>().
    struct Field {
        Result<> (*set)(S&, std::string_view);
        std::string (*get)(const S&);
        std::string (*type)();
        Result<> (*check_range)(const S&, std::int64_t low, std::int64_t high);
    };

    std::string_view name;
    Field field;
    const char* value = nullptr;         // default; nullptr: not set (NULL in SHOW CONFIG)
    const char* howdah_value = nullptr;  // default outside pgbouncer.ini, where it differs
    bool restart = false;                // neither RELOAD nor SET changes it
    bool own = false;                    // not in PgBouncer
    std::int64_t low = 0, high = std::numeric_limits<std::int64_t>::max();
    std::string_view unit = {};
    std::string_view group = {};  // heading in the reference
    std::string_view help = {};

    [[nodiscard]] const char* default_for(bool pgbouncer) const {
        return pgbouncer || howdah_value == nullptr ? value : howdah_value;
    }
};

namespace detail {

[[nodiscard]] Result<> check_range(std::int64_t value, std::int64_t low, std::int64_t high);

template <typename T>
[[nodiscard]] Result<> check_range_of(const T& value, std::int64_t low, std::int64_t high) {
    if constexpr (std::is_same_v<T, int> || std::is_same_v<T, std::int64_t>) {
        return check_range(value, low, high);
    } else if constexpr (std::is_same_v<T, std::optional<int>>) {
        return value ? check_range(*value, low, high) : Result<>();
    } else {
        return {};
    }
}

template <typename S, typename T>
S owner_of(T S::*);
template <typename S, typename T>
T type_of(T S::*);

}  // namespace detail

template <auto kMember>
constexpr auto field() {
    using S = decltype(detail::owner_of(kMember));
    using T = decltype(detail::type_of(kMember));
    return typename Option<S>::Field{
        [](S& s, std::string_view text) { return parse_value(text, s.*kMember); },
        [](const S& s) { return format_value(s.*kMember); }, [] { return TypeName<T>::text(); },
        [](const S& s, std::int64_t low, std::int64_t high) {
            return detail::check_range_of(s.*kMember, low, high);
        }};
}

// In PgBouncer's order (alphabetical), howdah's own after them.
[[nodiscard]] std::span<const Option<Settings>> global_options();
[[nodiscard]] std::span<const Option<DatabaseSettings>> database_options();
[[nodiscard]] std::span<const Option<UserSettings>> user_options();
[[nodiscard]] std::span<const Option<PeerSettings>> peer_options();

// nullptr when there is none of that name.
template <typename S>
[[nodiscard]] const Option<S>* find_option(std::span<const Option<S>> options,
                                           std::string_view name) {
    for (const auto& option : options) {
        if (option.name == name) {
            return &option;
        }
    }
    return nullptr;
}

// Parses, checks the range, and only then changes `target`.
template <typename S>
[[nodiscard]] Result<> set_option(const Option<S>& option, S& target, std::string_view text) {
    S changed = target;
    TRY_VOID(option.field.set(changed, text));
    TRY_VOID(option.field.check_range(changed, option.low, option.high));
    target = std::move(changed);
    return {};
}

// Every default; `pgbouncer`: as PgBouncer has them.
[[nodiscard]] Settings default_settings(bool pgbouncer);

}  // namespace howdah::config
