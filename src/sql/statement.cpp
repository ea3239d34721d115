#include "sql/statement.hpp"

#include <array>
#include <string_view>

namespace howdah::sql {
namespace {

// In the order of Effect's bits.
constexpr std::array<std::string_view, 32> kEffectNames = {
    "begin",
    "commit",
    "rollback",
    "savepoint",
    "prepare_transaction",
    "set_session",
    "set_local",
    "listen",
    "unlisten",
    "notify",
    "temp_object",
    "advisory_lock",
    "hold_cursor",
    "sql_prepare",
    "sql_execute",
    "sql_deallocate",
    "sql_deallocate_all",
    "discard_all",
    "discard_other",
    "sequence_state",
    "unknown_code",
    "may_clean",
    "copy_in",
    "copy_out",
    "write",
    "read_only",
    "ddl",
    "unparsed",
    "multiple",
    "volatile",
    "row_lock",
    "create_on_commit_drop",
};

std::size_t heap_bytes(const std::string& text) {
    constexpr std::size_t kInline = 15;
    return text.capacity() > kInline ? text.capacity() + 1 : 0;
}

std::size_t heap_bytes(const std::vector<Name>& names) {
    std::size_t bytes = names.capacity() * sizeof(Name);
    for (const Name& name : names) {
        bytes += heap_bytes(name.schema) + heap_bytes(name.name);
    }
    return bytes;
}

}  // namespace

std::size_t Statement::bytes() const {
    return sizeof(Statement) + heap_bytes(normalized) + heap_bytes(tables_read) +
           heap_bytes(tables_written) + heap_bytes(functions);
}

std::string effect_names(std::uint32_t effects) {
    std::string names;
    for (std::size_t bit = 0; bit < kEffectNames.size(); ++bit) {
        if ((effects >> bit & 1U) != 0) {
            names += names.empty() ? "" : " ";
            names += kEffectNames[bit];
        }
    }
    return names;
}

}  // namespace howdah::sql
