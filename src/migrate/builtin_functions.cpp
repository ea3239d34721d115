#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "migrate/schema.hpp"

namespace howdah::migrate {
namespace {

#include "migrate/builtin_functions.inc"

using Functions = std::unordered_map<std::string_view, char>;

void add(Functions& table, std::string_view names, char volatility) {
    while (!names.empty()) {
        const std::size_t space = names.find(' ');
        table.emplace(names.substr(0, space), volatility);
        names.remove_prefix(space + 1);
    }
}

Functions make_table() {
    Functions table;
    add(table, kVolatileFunctions, 'v');
    add(table, kSteadyFunctions, 's');
    return table;
}

}  // namespace

char builtin_volatility(std::string_view function) {
    static const Functions table = make_table();
    const auto found = table.find(function);
    return found == table.end() ? '\0' : found->second;
}

}  // namespace howdah::migrate
