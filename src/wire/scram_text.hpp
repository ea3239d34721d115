// Reading "a=value,b=value" messages of SCRAM (RFC 5802, section 7). Private to wire.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace howdah::wire {

// Takes attributes from the front of a message.
class ScramText {
  public:
    explicit ScramText(std::string_view text) : rest_(text) {}

    // The value of attribute `name`, which must come next.
    [[nodiscard]] Result<std::string_view> attribute(char name);
    // The next attribute's letter, or 0 at the end.
    [[nodiscard]] char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
    [[nodiscard]] std::string_view rest() const { return rest_; }

  private:
    std::string_view rest_;
};

[[nodiscard]] std::unexpected<Error> malformed(std::string detail);

// RFC 5802 "printable": graphic ASCII without the comma; at least one.
[[nodiscard]] bool is_scram_printable(std::string_view text);

// A positive decimal number without sign or leading zero, up to `max`.
[[nodiscard]] std::optional<int> parse_iterations(std::string_view text, int max);

}  // namespace howdah::wire
