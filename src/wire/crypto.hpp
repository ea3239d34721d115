// The few cryptographic steps that logging in needs, over OpenSSL. Private to wire.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "wire/secret.hpp"

namespace howdah::wire {

inline constexpr std::size_t kSha256Bytes = 32;

[[nodiscard]] Secret sha256(std::string_view data);
[[nodiscard]] Secret hmac_sha256(const Secret& key, std::string_view data);

// RFC 5802 Hi(): PBKDF2 with HMAC-SHA-256. About 0.3 ms per thousand iterations.
[[nodiscard]] Secret pbkdf2_sha256(std::string_view password, std::string_view salt,
                                   int iterations);

// a and b have the same size.
[[nodiscard]] Secret exclusive_or(const Secret& a, const Secret& b);

[[nodiscard]] std::string base64_encode(std::string_view bytes);

// Strict: no white space, padding required, unused bits zero; anything else is nullopt.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

// Lower-case hexadecimal MD5; fails where OpenSSL has MD5 switched off (FIPS).
[[nodiscard]] Result<std::string> md5_hex(std::string_view data);

}  // namespace howdah::wire
