#include "insight/schema.hpp"

#include <algorithm>
#include <array>

#include "sql/names.hpp"

namespace howdah::insight {
namespace {

bool contains(std::span<const std::string> all, std::string_view one) {
    return std::ranges::find(all, one) != all.end();
}

void merge_columns(Table& into, std::vector<Column> columns) {
    for (Column& column : columns) {
        const auto known = std::ranges::find(into.columns, column.name, &Column::name);
        if (known == into.columns.end()) {
            into.columns.push_back(std::move(column));
            continue;
        }
        if (known->field == known->name) {
            known->field = column.field;
        } else if (column.field != known->field && column.field != column.name) {
            known->other_field = column.field;
        }
        // A type of one's own in SQL is an enum where an ORM or the server says so.
        const bool vague = known->type == TypeClass::kUnknown || known->type == TypeClass::kOther;
        known->type = vague && column.type != TypeClass::kUnknown ? column.type : known->type;
        known->not_null = known->not_null || column.not_null;
        known->by_bytes = known->by_bytes ? known->by_bytes : column.by_bytes;
    }
}

void merge_indexes(Table& into, std::vector<Index> indexes) {
    for (Index& index : indexes) {
        const auto same = [&](const Index& known) {
            return known.keys == index.keys && known.method == index.method &&
                   known.partial == index.partial;
        };
        if (const auto known = std::ranges::find_if(into.indexes, same);
            known != into.indexes.end()) {
            known->unique = known->unique || index.unique;
            known->primary = known->primary || index.primary;
        } else {
            into.indexes.push_back(std::move(index));
        }
    }
}

}  // namespace

const Column* Table::column(std::string_view column_name) const {
    const auto found = std::ranges::find(columns, column_name, &Column::name);
    return found == columns.end() ? nullptr : &*found;
}

const Column* Table::field(std::string_view field_name) const {
    const auto found = std::ranges::find_if(columns, [&](const Column& each) {
        return each.field == field_name ||
               (!each.other_field.empty() && each.other_field == field_name);
    });
    return found == columns.end() ? nullptr : &*found;
}

std::string_view Table::model_name(Origin origin) const {
    const auto found = std::ranges::find(models, origin, &Model::origin);
    return found == models.end() ? std::string_view(name) : std::string_view(found->name);
}

const Relation* Table::relation(std::string_view field_name) const {
    const auto found = std::ranges::find(relations, field_name, &Relation::field);
    return found == relations.end() ? nullptr : &*found;
}

bool Table::is_unique(std::span<const std::string> tested) const {
    return std::ranges::any_of(indexes, [&](const Index& index) {
        return index.unique && !index.partial && !index.keys.empty() &&
               std::ranges::all_of(index.keys, [&](const IndexKey& part) {
                   return !part.column.empty() && contains(tested, part.column);
               });
    });
}

bool Table::in_primary_key(std::string_view column_name) const {
    return std::ranges::any_of(indexes, [&](const Index& index) {
        return index.primary &&
               std::ranges::find(index.keys, column_name, &IndexKey::column) != index.keys.end();
    });
}

const Index* Table::leading(std::span<const std::string> tested) const {
    const auto covers = [&](const Index& index) {
        return !index.partial && index.keys.size() >= tested.size() &&
               std::all_of(index.keys.begin(),
                           index.keys.begin() + static_cast<std::ptrdiff_t>(tested.size()),
                           [&](const IndexKey& part) { return contains(tested, part.column); });
    };
    const auto found = std::ranges::find_if(indexes, covers);
    return found == indexes.end() ? nullptr : &*found;
}

namespace {

bool can_serve(const Index& index, const Column* column, IndexUse use) {
    switch (use) {
        case IndexUse::kEquals:
            return true;
        case IndexUse::kRange:
            return index.method != "hash" && !index.pattern;
        case IndexUse::kOrder:
            return index.method == "btree" && !index.pattern;
        case IndexUse::kPrefix:
            break;
    }
    if (index.method != "btree") {
        return index.method != "hash";
    }
    return index.pattern || column == nullptr || column->by_bytes.value_or(true);
}

}  // namespace

bool Table::prefix_depends_on_collation(std::string_view column_name) const {
    const Column* known = column(column_name);
    return known != nullptr && !known->by_bytes.has_value() &&
           std::ranges::none_of(indexes, [&](const Index& index) {
               return !index.keys.empty() && index.keys.front().column == column_name &&
                      (index.pattern || index.method != "btree");
           });
}

bool Table::has_leading(std::string_view column_name, bool partial, IndexUse use) const {
    const Column* known = column(column_name);
    return std::ranges::any_of(indexes, [&](const Index& index) {
        return (partial || !index.partial) && !index.keys.empty() && can_serve(index, known, use) &&
               (index.keys.front().column == column_name ||
                // GIN and GiST serve every key as well as the first
                ((index.method == "gin" || index.method == "brin") &&
                 std::ranges::find(index.keys, column_name, &IndexKey::column) !=
                     index.keys.end()));
    });
}

bool Table::leads(std::span<const std::string> tested, std::span<const std::string> narrow) const {
    return std::ranges::any_of(indexes, [&](const Index& index) {
        const bool tree = index.method == "btree" && !index.pattern;
        for (std::size_t i = 0; tree && i < index.keys.size(); ++i) {
            const std::string& column = index.keys[i].column;
            if (column.empty() || !contains(tested, column)) {
                return false;
            }
            if (contains(narrow, column)) {
                return i > 0;
            }
        }
        return false;
    });
}

bool Table::has_expression(std::string_view key) const {
    return std::ranges::any_of(indexes, [&](const Index& index) {
        return !index.keys.empty() && index.keys.front().expression == key;
    });
}

bool Table::has_trigram() const {
    return std::ranges::any_of(indexes, &Index::trigram);
}

bool only_choices(const Table& table, std::span<const std::string> columns) {
    return !columns.empty() && std::ranges::all_of(columns, [&](const std::string& name) {
        const Column* column = table.column(name);
        return column != nullptr && column->type == TypeClass::kEnum;
    });
}

Table& Schema::at(const std::string& name) {
    Table& table = tables_[name];
    table.name = name;
    return table;
}

const Table* Schema::find(std::string_view name) const {
    const auto found = tables_.find(name);
    return found == tables_.end() ? nullptr : &found->second;
}

const Table* Schema::find(const PgQuery__RangeVar& relation) const {
    return find(canonical_name(relation.schemaname == nullptr ? "" : relation.schemaname,
                               relation.relname == nullptr ? "" : relation.relname));
}

const Table* Schema::find_model(std::string_view name) const {
    const auto found = models_.find(name);
    return found == models_.end() ? nullptr : find(found->second);
}

void Schema::rename(const std::string& from, const std::string& to) {
    auto node = tables_.extract(from);
    if (!node.empty()) {
        node.key() = to;
        node.mapped().name = to;
        tables_.insert(std::move(node));
    }
}

void Schema::index_models() {
    models_.clear();
    for (const auto& [name, table] : tables_) {
        for (const Model& model : table.models) {
            models_.emplace(model.name, name);
            models_.emplace(model.accessor, name);
        }
    }
}

void Schema::merge(Schema other) {
    for (auto& [name, table] : other.tables_) {
        const auto [known, is_new] = tables_.try_emplace(name, std::move(table));
        if (is_new) {
            continue;
        }
        Table& into = known->second;
        into.models.insert(into.models.end(), table.models.begin(), table.models.end());
        into.rows = into.rows ? into.rows : table.rows;
        merge_columns(into, std::move(table.columns));
        merge_indexes(into, std::move(table.indexes));
        for (ForeignKey& key : table.foreign_keys) {
            into.foreign_keys.push_back(std::move(key));
        }
        for (Relation& relation : table.relations) {
            if (into.relation(relation.field) == nullptr) {
                into.relations.push_back(std::move(relation));
            }
        }
    }
    index_models();
}

std::string canonical_name(std::string_view schema, std::string_view name) {
    return schema.empty() || schema == "public" ? std::string(name)
                                                : std::string(schema) + "." + std::string(name);
}

TypeClass type_class(std::string_view name) {
    struct Known {
        std::string_view name;
        TypeClass type;
    };
    static constexpr auto kKnown = std::to_array<Known>({
        {"bool", TypeClass::kBoolean},
        {"boolean", TypeClass::kBoolean},
        {"int2", TypeClass::kInteger},
        {"int4", TypeClass::kInteger},
        {"int8", TypeClass::kInteger},
        {"smallint", TypeClass::kInteger},
        {"integer", TypeClass::kInteger},
        {"bigint", TypeClass::kInteger},
        {"serial", TypeClass::kInteger},
        {"bigserial", TypeClass::kInteger},
        {"smallserial", TypeClass::kInteger},
        {"serial4", TypeClass::kInteger},
        {"serial8", TypeClass::kInteger},
        {"oid", TypeClass::kInteger},
        {"numeric", TypeClass::kNumeric},
        {"decimal", TypeClass::kNumeric},
        {"float4", TypeClass::kFloat},
        {"float8", TypeClass::kFloat},
        {"real", TypeClass::kFloat},
        {"double precision", TypeClass::kFloat},
        {"text", TypeClass::kText},
        {"varchar", TypeClass::kText},
        {"citext", TypeClass::kText},
        {"name", TypeClass::kText},
        {"character varying", TypeClass::kText},
        {"bpchar", TypeClass::kChar},
        {"char", TypeClass::kChar},
        {"character", TypeClass::kChar},
        {"date", TypeClass::kDate},
        {"timestamp", TypeClass::kTimestamp},
        {"timestamptz", TypeClass::kTimestamp},
        {"timestamp without time zone", TypeClass::kTimestamp},
        {"timestamp with time zone", TypeClass::kTimestamp},
        {"uuid", TypeClass::kUuid},
        {"json", TypeClass::kJson},
        {"jsonb", TypeClass::kJson},
        {"bytea", TypeClass::kBytes},
    });
    if (name.ends_with("[]")) {
        return TypeClass::kArray;
    }
    const auto found = std::ranges::find(kKnown, name, &Known::name);
    return found == kKnown.end() ? TypeClass::kOther : found->type;
}

std::string create_index_sql(std::string_view table, std::span<const std::string> columns) {
    std::string sql = "create index concurrently on " + sql::qualified_name_in_sql(table) + " (";
    for (std::size_t i = 0; i < columns.size(); ++i) {
        // "name text_pattern_ops"
        const std::size_t end =
            columns[i].ends_with("_pattern_ops") ? columns[i].rfind(' ') : std::string::npos;
        sql += (i == 0 ? "" : ", ") + sql::name_in_sql(std::string_view(columns[i]).substr(0, end));
        sql += end == std::string::npos ? "" : columns[i].substr(end);
    }
    return sql + ");";
}

}  // namespace howdah::insight
