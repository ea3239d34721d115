// The types that options' values have.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/secret.hpp"

namespace howdah::config {

using Duration = std::chrono::microseconds;
using wire::Secret;

enum class PoolMode : std::uint8_t { kSession, kTransaction, kStatement };
enum class AuthType : std::uint8_t {
    kAny,
    kTrust,
    kPlain,
    kMd5,
    kCert,
    kHba,
    kLdap,
    kPam,
    kScramSha256,
    kScramSha256Plus,
    kPeer,
    kReject,  // in HBA rules only
};
enum class SslMode : std::uint8_t {
    kDisable,
    kAllow,
    kPrefer,
    kRequire,
    kVerifyCa,
    kVerifyFull,
};
enum class LoadBalance : std::uint8_t { kDisable, kRoundRobin };
enum class LoopBackend : std::uint8_t { kAuto, kIoUring, kEpoll };
enum class LogFormat : std::uint8_t { kText, kJson };
enum class ProxyProtocol : std::uint8_t { kDisable, kAllow, kRequire };
enum class Binding : std::uint8_t { kDisable, kPrefer, kRequire };  // TLS channel binding

// A comma-separated list; `text` is as written, `names` without spaces and empty items.
struct NameList {
    std::string text;
    std::vector<std::string> names;

    [[nodiscard]] bool contains(std::string_view name) const;
    friend bool operator==(const NameList&, const NameList&) = default;
};

}  // namespace howdah::config
