// Secret: bytes that are wiped when they go and never printed.
//
// 1. Every copy wipes its own memory on destruction and assignment; a move leaves nothing behind.
// 2. There is no stream operator; fmt prints "****" whatever it holds.
// 3. == takes time that depends on the lengths only.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace howdah::wire {

// True when both hold the same bytes; the time taken depends on the lengths only.
[[nodiscard]] bool equal_constant_time(std::string_view a, std::string_view b);

class Secret {
  public:
    Secret() = default;
    explicit Secret(std::string_view bytes);
    explicit Secret(std::span<const std::uint8_t> bytes);
    Secret(const Secret& other) : Secret(other.reveal()) {}
    Secret(Secret&& other) noexcept;
    Secret& operator=(const Secret& other);
    Secret& operator=(Secret&& other) noexcept;
    ~Secret();

    // The bytes, for as long as this lives. Not to be logged or copied into a std::string that
    // outlives the call it is needed for.
    [[nodiscard]] std::string_view reveal() const { return {bytes_.get(), size_}; }
    [[nodiscard]] std::span<const std::uint8_t> bytes() const;
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }

    // Wipes and empties.
    void clear();

    friend bool operator==(const Secret& a, const Secret& b) {
        return equal_constant_time(a.reveal(), b.reveal());
    }

  private:
    std::unique_ptr<char[]> bytes_;
    std::size_t size_ = 0;
};

}  // namespace howdah::wire

template <>
struct fmt::formatter<howdah::wire::Secret> : fmt::formatter<std::string_view> {
    auto format(const howdah::wire::Secret&, fmt::format_context& context) const {
        return fmt::formatter<std::string_view>::format("****", context);
    }
};
