// Table: the result of a SHOW, before it goes on the wire.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/message.hpp"

namespace howdah::proxy {

// PostgreSQL's type oids.
enum ColumnType : std::uint32_t {
    kBytea = 17,
    kInt8 = 20,
    kInt4 = 23,
    kText = 25,
    kNumeric = 1700,
};

using Cell = std::optional<std::string>;

struct Table {
    std::vector<std::pair<std::string, std::uint32_t>> columns;
    std::vector<std::vector<Cell>> rows;

    Table(std::initializer_list<std::pair<std::string, std::uint32_t>> names) : columns(names) {}
    Table& text_columns(std::initializer_list<std::string_view> names);
    Table& columns_of(ColumnType type, std::initializer_list<std::string_view> names);
};

// Builds one row, cell by cell.
class RowBuilder {
  public:
    RowBuilder& text(std::string value) {
        cells_.emplace_back(std::move(value));
        return *this;
    }
    RowBuilder& null() {
        cells_.emplace_back();
        return *this;
    }
    RowBuilder& cell(Cell value) {
        cells_.push_back(std::move(value));
        return *this;
    }
    template <typename Number>
    RowBuilder& number(Number value) {
        cells_.emplace_back(std::to_string(value));
        return *this;
    }
    // "2026-11-22 18:42:33 UTC"
    RowBuilder& time(std::int64_t wall_us);
    std::vector<Cell> take() { return std::move(cells_); }

  private:
    std::vector<Cell> cells_;
};

void encode_table(const Table& table, wire::Encoder& into);

}  // namespace howdah::proxy
