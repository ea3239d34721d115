#include "proxy/console_table.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace howdah::proxy {

Table& Table::text_columns(std::initializer_list<std::string_view> names) {
    return columns_of(kText, names);
}

Table& Table::columns_of(ColumnType type, std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
        columns.emplace_back(name, type);
    }
    return *this;
}

RowBuilder& RowBuilder::time(std::int64_t wall_us) {
    const std::time_t seconds = wall_us / 1'000'000;
    return text(fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(seconds)));
}

void encode_table(const Table& table, wire::Encoder& into) {
    into.row_description(table.columns);
    std::vector<std::string_view> values;
    for (const std::vector<Cell>& row : table.rows) {
        values.clear();
        for (const Cell& cell : row) {
            values.push_back(cell ? std::string_view(cell->c_str(), cell->size())
                                  : std::string_view());
        }
        into.data_row(values);
    }
}

}  // namespace howdah::proxy
