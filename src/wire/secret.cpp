#include "wire/secret.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

namespace howdah::wire {

bool equal_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Secret::Secret(std::string_view bytes) : size_(bytes.size()) {
    if (!bytes.empty()) {
        bytes_ = std::make_unique<char[]>(bytes.size());
        std::copy(bytes.begin(), bytes.end(), bytes_.get());
    }
}

Secret::Secret(std::span<const std::uint8_t> bytes)
    : Secret(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size())) {}

Secret::Secret(Secret&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(const Secret& other) {
    if (this != &other) {
        *this = Secret(other);
    }
    return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        clear();
        bytes_ = std::move(other.bytes_);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

Secret::~Secret() {
    clear();
}

std::span<const std::uint8_t> Secret::bytes() const {
    return {reinterpret_cast<const std::uint8_t*>(bytes_.get()), size_};
}

void Secret::clear() {
    if (bytes_ != nullptr) {
        OPENSSL_cleanse(bytes_.get(), size_);
    }
    bytes_.reset();
    size_ = 0;
}

}  // namespace howdah::wire
