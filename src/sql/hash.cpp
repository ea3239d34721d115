#include "sql/hash.hpp"

#include <cstring>
#include <random>

#include "base/prng.hpp"

namespace howdah::sql {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t kPrime = (1ULL << 61U) - 1;
constexpr std::size_t kChunk = 7;
constexpr std::uint64_t kChunkMask = (1ULL << 56U) - 1;

// Into [0, 2^61 + 63]: not the least remainder, but small enough to go on with.
std::uint64_t reduce(Wide value) {
    const std::uint64_t low = static_cast<std::uint64_t>(value) & kPrime;
    const std::uint64_t sum = low + static_cast<std::uint64_t>(value >> 61U);
    return (sum & kPrime) + (sum >> 61U);
}

std::uint64_t least(std::uint64_t value) {
    return value >= kPrime ? value - kPrime : value;
}

std::uint64_t load(const char* from) {
    std::uint64_t word = 0;
    std::memcpy(&word, from, sizeof word);
    return word;
}

}  // namespace

TextHasher::TextHasher(std::uint64_t seed) {
    std::random_device device;
    Prng repeatable(seed);
    for (Point& point : points_) {
        const std::uint64_t drawn = seed == 0
                                        ? (static_cast<std::uint64_t>(device()) << 32U | device())
                                        : repeatable.next();
        point.x = (drawn & kPrime) % (kPrime - 1) + 1;
        point.square = least(reduce(static_cast<Wide>(point.x) * point.x));
    }
}

TextHash TextHasher::hash(std::string_view text, std::uint8_t domain) const {
    const char* at = text.data();
    std::size_t left = text.size();
    std::uint64_t sums[2] = {domain, domain};
    // Two chunks a step: sum * x^2 + a * x + b. The factors stay below 2^62 and 2^61.
    const auto take = [&](std::uint64_t a, std::uint64_t b) {
        for (int lane = 0; lane < 2; ++lane) {
            const Point& point = points_[lane];
            sums[lane] = reduce(static_cast<Wide>(sums[lane]) * point.square +
                                static_cast<Wide>(a) * point.x + b);
        }
    };
    while (left >= 2 * kChunk + 1) {
        take(load(at) & kChunkMask, load(at + kChunk) & kChunkMask);
        at += 2 * kChunk;
        left -= 2 * kChunk;
    }
    char tail[2 * sizeof(std::uint64_t)] = {};
    if (left > 0) {  // an empty view may have no address
        std::memcpy(tail, at, left);
    }
    take(load(tail) & kChunkMask, load(tail + kChunk) & kChunkMask);
    take(0, text.size());
    return {.first = least(sums[0]), .second = least(sums[1])};
}

}  // namespace howdah::sql
