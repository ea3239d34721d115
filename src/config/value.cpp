#include "config/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace howdah::config {
namespace {

template <typename E>
constexpr EnumName name_of(std::string_view name, E value) {
    return {name, static_cast<int>(value)};
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// strtol with base 0: decimal, 0x hexadecimal, 0 octal; the whole text or nothing.
template <typename T>
Result<> parse_integer(std::string_view text, T& value) {
    const bool negative = text.starts_with('-');
    std::string_view digits = text.substr(negative || text.starts_with('+') ? 1 : 0);
    int base = 10;
    if (digits.size() > 2 && digits[0] == '0' && lower(digits[1]) == 'x') {
        base = 16;
        digits.remove_prefix(2);
    } else if (digits.size() > 1 && digits[0] == '0') {
        base = 8;
        digits.remove_prefix(1);
    }
    T parsed{};
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, parsed, base);
    if (error != std::errc() || stop != end || parsed < 0) {
        return fail(ErrorCode::kInvalidInput, "a whole number is expected");
    }
    value = negative ? -parsed : parsed;
    return {};
}

}  // namespace

template <>
std::span<const EnumName> enum_names<PoolMode>() {
    static constexpr EnumName kNames[] = {name_of("session", PoolMode::kSession),
                                          name_of("transaction", PoolMode::kTransaction),
                                          name_of("statement", PoolMode::kStatement)};
    return kNames;
}

template <>
std::span<const EnumName> enum_names<AuthType>() {
    // "peer" and "reject" are HBA methods, not values of auth_type.
    static constexpr EnumName kNames[] = {
        name_of("any", AuthType::kAny),
        name_of("trust", AuthType::kTrust),
        name_of("plain", AuthType::kPlain),
        name_of("md5", AuthType::kMd5),
        name_of("cert", AuthType::kCert),
        name_of("hba", AuthType::kHba),
        name_of("ldap", AuthType::kLdap),
        name_of("pam", AuthType::kPam),
        name_of("scram-sha-256", AuthType::kScramSha256),
        name_of("scram-sha-256-plus", AuthType::kScramSha256Plus)};
    return kNames;
}

template <>
std::span<const EnumName> enum_names<SslMode>() {
    static constexpr EnumName kNames[] = {
        name_of("disable", SslMode::kDisable),    name_of("allow", SslMode::kAllow),
        name_of("prefer", SslMode::kPrefer),      name_of("require", SslMode::kRequire),
        name_of("verify-ca", SslMode::kVerifyCa), name_of("verify-full", SslMode::kVerifyFull)};
    return kNames;
}

template <>
std::span<const EnumName> enum_names<LoadBalance>() {
    static constexpr EnumName kNames[] = {name_of("disable", LoadBalance::kDisable),
                                          name_of("round-robin", LoadBalance::kRoundRobin)};
    return kNames;
}

template <>
std::span<const EnumName> enum_names<LoopBackend>() {
    static constexpr EnumName kNames[] = {name_of("auto", LoopBackend::kAuto),
                                          name_of("io_uring", LoopBackend::kIoUring),
                                          name_of("epoll", LoopBackend::kEpoll)};
    return kNames;
}

template <>
std::span<const EnumName> enum_names<LogFormat>() {
    static constexpr EnumName kNames[] = {name_of("text", LogFormat::kText),
                                          name_of("json", LogFormat::kJson)};
    return kNames;
}

template <>
std::span<const EnumName> enum_names<ProxyProtocol>() {
    static constexpr EnumName kNames[] = {name_of("disable", ProxyProtocol::kDisable),
                                          name_of("allow", ProxyProtocol::kAllow),
                                          name_of("require", ProxyProtocol::kRequire)};
    return kNames;
}

template <>
std::span<const EnumName> enum_names<Binding>() {
    static constexpr EnumName kNames[] = {name_of("disable", Binding::kDisable),
                                          name_of("prefer", Binding::kPrefer),
                                          name_of("require", Binding::kRequire)};
    return kNames;
}

Result<int> parse_enum_value(std::span<const EnumName> names, std::string_view text) {
    for (const auto& [name, value] : names) {
        if (equal_ignoring_case(name, text)) {
            return value;
        }
    }
    return fail(ErrorCode::kInvalidInput, fmt::format("one of {} is expected", join_names(names)));
}

std::string_view enum_value_name(std::span<const EnumName> names, int value) {
    for (const auto& entry : names) {
        if (entry.value == value) {
            return entry.name;
        }
    }
    return "INVALID";
}

std::string join_names(std::span<const EnumName> names) {
    std::string joined;
    for (const auto& entry : names) {
        joined.append(joined.empty() ? "" : ", ").append(entry.name);
    }
    return joined;
}

Result<> parse_value(std::string_view text, bool& value) {
    for (const std::string_view yes : {"true", "on", "yes"}) {
        if (equal_ignoring_case(text, yes)) {
            value = true;
            return {};
        }
    }
    for (const std::string_view no : {"false", "off", "no"}) {
        if (equal_ignoring_case(text, no)) {
            value = false;
            return {};
        }
    }
    int number = 0;
    if (!parse_integer(text, number)) {
        return fail(ErrorCode::kInvalidInput, "true or false (1 or 0) is expected");
    }
    value = number != 0;
    return {};
}

Result<> parse_value(std::string_view text, int& value) {
    return parse_integer(text, value);
}

Result<> parse_value(std::string_view text, std::int64_t& value) {
    return parse_integer(text, value);
}

Result<> parse_value(std::string_view text, Duration& value) {
    struct Unit {
        std::string_view name;
        double us;
    };
    static constexpr Unit kUnits[] = {{"", 1e6},    {"us", 1},    {"ms", 1e3},   {"s", 1e6},
                                      {"min", 6e7}, {"h", 3.6e9}, {"d", 8.64e10}};
    constexpr double kLongest_us = 1e15;  // 31 years; far from the end of int64
    double number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    const std::string_view suffix =
        trimmed(std::string_view(stop, static_cast<std::size_t>(end - stop)));
    for (const auto& unit : kUnits) {
        if (error == std::errc() && suffix == unit.name && std::isfinite(number) && number >= 0 &&
            number * unit.us <= kLongest_us) {
            value = Duration(std::llround(number * unit.us));
            return {};
        }
    }
    return fail(ErrorCode::kInvalidInput,
                "a time is expected: seconds, or a number with ms, s, min, h or d");
}

Result<> parse_value(std::string_view text, std::string& value) {
    value = text;
    return {};
}

Result<> parse_value(std::string_view text, Secret& value) {
    value = Secret(text);
    return {};
}

Result<> parse_value(std::string_view text, NameList& value) {
    NameList list{std::string(text), {}};
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        if (const std::string_view name = trimmed(text.substr(0, comma)); !name.empty()) {
            list.names.emplace_back(name);
        }
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    value = std::move(list);
    return {};
}

std::string format_value(bool value) {
    return value ? "1" : "0";
}
std::string format_value(int value) {
    return fmt::format("{}", value);
}
std::string format_value(std::int64_t value) {
    return fmt::format("{}", value);
}
std::string format_value(Duration value) {
    return fmt::format("{:g}", static_cast<double>(value.count()) / 1e6);
}
std::string format_value(const std::string& value) {
    return value;
}
std::string format_value(const Secret&) {
    return "****";
}
std::string format_value(const NameList& value) {
    return value.text;
}

bool NameList::contains(std::string_view name) const {
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::string Origin::text() const {
    switch (kind) {
        case Kind::kFile:
            return fmt::format("{}:{}", file, line);
        case Kind::kUpstream:
            return "--upstream";
        case Kind::kEnvironment:
            return "environment " + file;
        case Kind::kCommandLine:
            return "command line";
        case Kind::kSet:
            return "SET on the console";
        case Kind::kDefault:
            break;
    }
    return "default";
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n\f\v";
    const std::size_t begin = text.find_first_not_of(kSpace);
    return begin == std::string_view::npos
               ? std::string_view()
               : text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace howdah::config
