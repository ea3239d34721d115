// Texts to values and back, one overload per type an option can have. Private to config.
//
// parse_value() leaves the target alone when it fails; its error says what is expected, without
// the text (which may be a password). format_value() is what SHOW CONFIG prints.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/nearest.hpp"
#include "base/result.hpp"
#include "config/settings.hpp"

namespace howdah::config {

struct EnumName {
    std::string_view name;
    int value;
};

template <typename E>
[[nodiscard]] std::span<const EnumName> enum_names();
template <>
std::span<const EnumName> enum_names<PoolMode>();
template <>
std::span<const EnumName> enum_names<AuthType>();
template <>
std::span<const EnumName> enum_names<SslMode>();
template <>
std::span<const EnumName> enum_names<LoadBalance>();
template <>
std::span<const EnumName> enum_names<LoopBackend>();
template <>
std::span<const EnumName> enum_names<LogFormat>();
template <>
std::span<const EnumName> enum_names<ProxyProtocol>();
template <>
std::span<const EnumName> enum_names<Binding>();

[[nodiscard]] Result<int> parse_enum_value(std::span<const EnumName> names, std::string_view text);
[[nodiscard]] std::string_view enum_value_name(std::span<const EnumName> names, int value);
[[nodiscard]] std::string join_names(std::span<const EnumName> names);

[[nodiscard]] Result<> parse_value(std::string_view text, bool& value);
[[nodiscard]] Result<> parse_value(std::string_view text, int& value);  // also 0x1f and 0777
[[nodiscard]] Result<> parse_value(std::string_view text, std::int64_t& value);
// Seconds, with a fraction if need be, or a number with us, ms, s, min, h or d.
[[nodiscard]] Result<> parse_value(std::string_view text, Duration& value);
[[nodiscard]] Result<> parse_value(std::string_view text, std::string& value);
[[nodiscard]] Result<> parse_value(std::string_view text, Secret& value);
[[nodiscard]] Result<> parse_value(std::string_view text, NameList& value);

[[nodiscard]] std::string format_value(bool value);
[[nodiscard]] std::string format_value(int value);
[[nodiscard]] std::string format_value(std::int64_t value);
[[nodiscard]] std::string format_value(Duration value);
[[nodiscard]] std::string format_value(const std::string& value);
[[nodiscard]] std::string format_value(const Secret& value);
[[nodiscard]] std::string format_value(const NameList& value);

template <typename E>
    requires std::is_enum_v<E>
[[nodiscard]] Result<> parse_value(std::string_view text, E& value) {
    TRY(const int number, parse_enum_value(enum_names<E>(), text));
    value = static_cast<E>(number);
    return {};
}

template <typename E>
    requires std::is_enum_v<E>
[[nodiscard]] std::string format_value(E value) {
    return std::string(enum_value_name(enum_names<E>(), static_cast<int>(value)));
}

template <typename T>
[[nodiscard]] Result<> parse_value(std::string_view text, std::optional<T>& value) {
    if constexpr (std::is_same_v<T, int> || std::is_same_v<T, Duration>) {
        if (text == "-1") {  // PgBouncer's way to write "not set" in [databases] and [users]
            value.reset();
            return {};
        }
    }
    T parsed{};
    TRY_VOID(parse_value(text, parsed));
    value = std::move(parsed);
    return {};
}

template <typename T>
[[nodiscard]] std::string format_value(const std::optional<T>& value) {
    return value ? format_value(*value) : std::string();
}

// The name of a type, as the reference prints it.
template <typename T>
struct TypeName {
    static std::string text() { return join_names(enum_names<T>()); }
};
template <>
struct TypeName<bool> {
    static std::string text() { return "boolean"; }
};
template <>
struct TypeName<int> {
    static std::string text() { return "integer"; }
};
template <>
struct TypeName<std::int64_t> {
    static std::string text() { return "integer"; }
};
template <>
struct TypeName<Duration> {
    static std::string text() { return "time"; }
};
template <>
struct TypeName<std::string> {
    static std::string text() { return "text"; }
};
template <>
struct TypeName<Secret> {
    static std::string text() { return "secret"; }
};
template <>
struct TypeName<NameList> {
    static std::string text() { return "list"; }
};
template <typename T>
struct TypeName<std::optional<T>> : TypeName<T> {};

[[nodiscard]] std::string_view trimmed(std::string_view text);
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace howdah::config
