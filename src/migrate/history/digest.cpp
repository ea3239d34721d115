#include "migrate/history/digest.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <bit>
#include <span>

#include "base/assert.hpp"

namespace howdah::migrate::runner {
namespace {

constexpr std::array<std::uint32_t, 256> crc_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) {
            value = (value >> 1) ^ ((value & 1U) != 0 ? 0xEDB88320U : 0U);
        }
        table[i] = value;
    }
    return table;
}

constexpr auto kCrcTable = crc_table();

std::uint32_t crc_update(std::uint32_t crc, std::string_view bytes) {
    for (const char c : bytes) {
        crc = kCrcTable[(crc ^ static_cast<unsigned char>(c)) & 0xFFU] ^ (crc >> 8);
    }
    return crc;
}

std::string hex(std::span<const unsigned char> bytes) {
    std::string text;
    for (const unsigned char byte : bytes) {
        text += fmt::format("{:02x}", byte);
    }
    return text;
}

std::string digest_hex(std::string_view bytes, const EVP_MD* kind) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    const int done = EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, kind, nullptr);
    ASSERT(done == 1 && size == static_cast<unsigned>(EVP_MD_get_size(kind)));
    return hex(std::span(digest).first(size));
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
    return digest_hex(bytes, EVP_sha256());
}

std::string sha1_hex(std::string_view bytes) {
    return digest_hex(bytes, EVP_sha1());
}

std::uint32_t crc32(std::string_view bytes) {
    return ~crc_update(~0U, bytes);
}

std::int32_t flyway_checksum(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) {
        text.remove_prefix(3);
    }
    std::uint32_t crc = ~0U;
    while (!text.empty()) {
        const std::size_t end = text.find_first_of("\r\n");
        crc = crc_update(crc, text.substr(0, end));
        if (end == std::string_view::npos) {
            break;
        }
        text.remove_prefix(text.substr(end).starts_with("\r\n") ? end + 2 : end + 1);
    }
    return std::bit_cast<std::int32_t>(~crc);
}

std::string random_uuid() {
    std::array<unsigned char, 16> bytes{};
    const int done = RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
    ASSERT(done == 1);
    bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0FU) | 0x40U);
    bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3FU) | 0x80U);
    const std::string digits = hex(bytes);
    return fmt::format("{}-{}-{}-{}-{}", digits.substr(0, 8), digits.substr(8, 4),
                       digits.substr(12, 4), digits.substr(16, 4), digits.substr(20));
}

}  // namespace howdah::migrate::runner
