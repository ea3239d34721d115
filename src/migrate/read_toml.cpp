#include "migrate/read_toml.hpp"

#include <fmt/format.h>

namespace howdah::migrate {

Result<toml::table> read_toml(std::string_view text, std::string_view file) {
    try {
        return toml_table(text, file);
    } catch (const toml::parse_error& error) {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("{}:{}: {}", file, error.source().begin.line, error.description()));
    }
}

}  // namespace howdah::migrate
