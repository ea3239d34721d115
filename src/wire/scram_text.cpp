#include "wire/scram_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace howdah::wire {

std::unexpected<Error> malformed(std::string detail) {
    return fail(
        Error(ErrorCode::kProtocol, "08P01", "malformed SCRAM message: " + std::move(detail)));
}

Result<std::string_view> ScramText::attribute(char name) {
    if (rest_.size() < 2 || rest_[0] != name || rest_[1] != '=') {
        return malformed(fmt::format("attribute \"{}\" expected", name));
    }
    const std::size_t end = std::min(rest_.find(','), rest_.size());
    const std::string_view value = rest_.substr(2, end - 2);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return value;
}

bool is_scram_printable(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(),
                                        [](char c) { return c > ' ' && c < 0x7f && c != ','; });
}

std::optional<int> parse_iterations(std::string_view text, int max) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || text.front() == '0' ||
        value < 1 || value > max) {
        return std::nullopt;
    }
    return value;
}

}  // namespace howdah::wire
