#include "sql/names.hpp"

#include "sql/statement_cache.hpp"

namespace howdah::sql {
namespace {

// Whether it is itself where it stands bare: lower case, and no word that the grammar keeps.
bool is_plain(std::string_view name) {
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz_";
    constexpr std::string_view kRest = "abcdefghijklmnopqrstuvwxyz_0123456789$";
    if (name.empty() || !kLetters.contains(name.front()) ||
        name.find_first_not_of(kRest) != std::string_view::npos) {
        return false;
    }
    return !analyze("lock table " + std::string(name))->has(kUnparsed);
}

}  // namespace

std::string name_in_sql(std::string_view name) {
    if (is_plain(name)) {
        return std::string(name);
    }
    std::string quoted = "\"";
    for (const char c : name) {
        quoted += c == '"' ? "\"\"" : std::string(1, c);
    }
    return quoted + '"';
}

std::string qualified_name_in_sql(std::string_view name) {
    const std::size_t dot = name.find('.');
    return dot == std::string_view::npos
               ? name_in_sql(name)
               : name_in_sql(name.substr(0, dot)) + "." + name_in_sql(name.substr(dot + 1));
}

}  // namespace howdah::sql
