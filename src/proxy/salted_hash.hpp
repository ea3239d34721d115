// A fast hash of bytes under a salt of the process: equal bytes are seen to be equal, and nobody
// who has only the hashes can look values up. Not for keys that must never meet.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace howdah::proxy {

// Never 0, which says that there is nothing.
inline std::uint64_t salted_hash(std::string_view bytes, std::uint64_t salt) {
    std::uint64_t hash = (0x9e3779b97f4a7c15ULL ^ salt) + bytes.size() * 0xd6e8feb86659fd93ULL;
    while (bytes.size() >= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data(), 8);
        hash = (hash ^ word) * 0xff51afd7ed558ccdULL;
        hash ^= hash >> 32;
        bytes.remove_prefix(8);
    }
    std::uint64_t tail = 0;
    std::memcpy(&tail, bytes.data(), bytes.size());
    hash = (hash ^ tail) * 0xc4ceb9fe1a85ec53ULL;
    hash ^= salt;
    hash = (hash ^ (hash >> 29)) * 0x94d049bb133111ebULL;
    hash ^= hash >> 32;
    return hash == 0 ? 1 : hash;
}

}  // namespace howdah::proxy
