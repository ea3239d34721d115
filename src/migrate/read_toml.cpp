#include "migrate/read_toml.hpp"

#include <fmt/format.h>

#include "base/utf8.hpp"

namespace howdah::migrate {

Result<toml::table> read_toml(std::string_view text, std::string_view file) {
    if (const int line = control_character_line(text); line != 0) {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("{}:{}: a control character", file, line));
    }
    try {
        return toml::parse(text, file);
    } catch (const toml::parse_error& error) {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("{}:{}: {}", file, error.source().begin.line, error.description()));
    }
}

}  // namespace howdah::migrate
