#include "wire/crypto.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <climits>

#include "base/assert.hpp"

namespace howdah::wire {
namespace {

using Digest = std::array<std::uint8_t, kSha256Bytes>;

const std::uint8_t* as_bytes(std::string_view text) {
    return reinterpret_cast<const std::uint8_t*>(text.data());
}

Secret take(Digest& digest) {
    Secret result{std::span<const std::uint8_t>(digest)};
    OPENSSL_cleanse(digest.data(), digest.size());
    return result;
}

constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_value(char c) {
    const std::size_t value = kBase64Digits.find(c);
    return value == std::string_view::npos ? -1 : static_cast<int>(value);
}

}  // namespace

Secret sha256(std::string_view data) {
    Digest digest;
    unsigned size = 0;
    ASSERT(EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
    return take(digest);
}

Secret hmac_sha256(const Secret& key, std::string_view data) {
    Digest digest;
    unsigned size = 0;
    ASSERT(HMAC(EVP_sha256(), key.bytes().data(), static_cast<int>(key.size()), as_bytes(data),
                data.size(), digest.data(), &size) != nullptr);
    return take(digest);
}

Secret pbkdf2_sha256(std::string_view password, std::string_view salt, int iterations) {
    ASSERT(password.size() <= INT_MAX && salt.size() <= INT_MAX && iterations > 0);
    Digest digest;
    ASSERT(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), as_bytes(salt),
                             static_cast<int>(salt.size()), iterations, EVP_sha256(),
                             static_cast<int>(digest.size()), digest.data()) == 1);
    return take(digest);
}

Secret exclusive_or(const Secret& a, const Secret& b) {
    ASSERT(a.size() == kSha256Bytes && b.size() == kSha256Bytes);
    Digest result;
    for (std::size_t i = 0; i < result.size(); ++i) {
        result[i] = static_cast<std::uint8_t>(a.bytes()[i] ^ b.bytes()[i]);
    }
    return take(result);
}

std::string base64_encode(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t rest = bytes.size() - i;
        std::uint32_t word = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            word = word << 8 | (k < rest ? static_cast<std::uint8_t>(bytes[i + k]) : 0U);
        }
        for (std::size_t k = 0; k < 4; ++k) {
            text.push_back(k <= rest ? kBase64Digits[word >> (18 - 6 * k) & 63] : '=');
        }
    }
    return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) {
        return std::nullopt;
    }
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    for (std::size_t i = 0; i < text.size(); i += 4) {
        const bool last = i + 4 == text.size();
        std::size_t digits = 4;
        while (last && digits > 2 && text[i + digits - 1] == '=') {
            --digits;
        }
        std::uint32_t word = 0;
        for (std::size_t k = 0; k < 4; ++k) {
            const int value = k < digits ? base64_value(text[i + k]) : 0;
            if (value < 0) {
                return std::nullopt;
            }
            word = word << 6 | static_cast<std::uint32_t>(value);
        }
        if ((word & (digits == 2 ? 0xffffU : digits == 3 ? 0xffU : 0U)) != 0) {
            return std::nullopt;
        }
        for (std::size_t k = 0; k + 1 < digits; ++k) {
            bytes.push_back(static_cast<char>(word >> (16 - 8 * k) & 0xff));
        }
    }
    return bytes;
}

Result<std::string> md5_hex(std::string_view data) {
    std::array<std::uint8_t, 16> digest;
    unsigned size = 0;
    if (EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_md5(), nullptr) != 1) {
        return fail(Error(ErrorCode::kUnavailable, "0A000", "MD5 is switched off in OpenSSL",
                          "use scram-sha-256 passwords, or a non-FIPS OpenSSL configuration"));
    }
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string hex;
    for (const std::uint8_t byte : digest) {
        hex.push_back(kHex[byte >> 4]);
        hex.push_back(kHex[byte & 15]);
    }
    return hex;
}

}  // namespace howdah::wire
