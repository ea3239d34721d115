#include "migrate/schema.hpp"

#include <algorithm>

namespace howdah::migrate {

namespace {

bool is_view(const Table& table) {
    return table.kind == TableKind::kView || table.kind == TableKind::kMaterialized;
}

void note(std::vector<std::string>& names, const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) {
        names.push_back(name);
    }
}

// What was known of `from` is now of `to`, wherever either is named.
void rename_in(NameMap<std::vector<std::string>>& map, const std::string& from,
               const std::string& to) {
    for (auto& [name, names] : map) {
        std::ranges::replace(names, from, to);
    }
    if (const std::vector<std::string>* moved = map.find(from)) {
        const std::vector<std::string> names = *moved;
        for (const std::string& name : names) {
            note(map.at(to), name);
        }
        map.erase(from);
    }
}

}  // namespace

const Column* Table::column(std::string_view column_name) const {
    const auto found = std::ranges::find(columns, column_name, &Column::name);
    return found == columns.end() ? nullptr : &*found;
}

const TableConstraint* Table::constraint(std::string_view constraint_name) const {
    const auto found = std::ranges::find(constraints, constraint_name, &TableConstraint::name);
    return found == constraints.end() ? nullptr : &*found;
}

const TableConstraint* Table::primary_key() const {
    const auto found =
        std::ranges::find(constraints, ConstraintKind::kPrimary, &TableConstraint::kind);
    return found == constraints.end() ? nullptr : &*found;
}

bool Table::in_primary_key(std::string_view column_name) const {
    const TableConstraint* key = primary_key();
    return key != nullptr && std::ranges::find(key->columns, column_name) != key->columns.end();
}

bool Table::never_null(std::string_view column_name, bool by_check) const {
    if (const Column* known = column(column_name);
        known != nullptr && (known->not_null || known->identity)) {
        return true;
    }
    if (in_primary_key(column_name)) {
        return true;
    }
    return by_check && std::ranges::any_of(constraints, [&](const TableConstraint& constraint) {
               return constraint.valid && std::ranges::find(constraint.not_null, column_name) !=
                                              constraint.not_null.end();
           });
}

std::string Schema::name_of(std::string_view schema, std::string_view name) const {
    const std::string_view effective = schema.empty() ? std::string_view(search_path) : schema;
    std::string full;
    if (!effective.empty() && effective != "public") {
        full.append(effective).push_back('.');
    }
    return full.append(name);
}

std::string Schema::name_of(const PgQuery__RangeVar* relation) const {
    if (relation == nullptr) {
        return {};
    }
    return name_of(relation->schemaname != nullptr ? relation->schemaname : "",
                   relation->relname != nullptr ? relation->relname : "");
}

std::string Schema::name_of(const sql::Node* names) const {
    if (names == nullptr) {
        return {};
    }
    std::vector<std::string_view> parts;
    if (names->node_case == PG_QUERY__NODE__NODE_LIST) {
        for (std::size_t i = 0; i < names->list->n_items; ++i) {
            parts.push_back(sql::string_value(names->list->items[i]));
        }
    } else if (names->node_case == PG_QUERY__NODE__NODE_TYPE_NAME) {
        for (std::size_t i = 0; i < names->type_name->n_names; ++i) {
            parts.push_back(sql::string_value(names->type_name->names[i]));
        }
    } else {
        parts.push_back(sql::string_value(names));
    }
    if (parts.empty()) {
        return {};
    }
    return name_of(parts.size() > 1 ? parts[parts.size() - 2] : "", parts.back());
}

std::string Schema::table_of_index(std::string_view index_name) const {
    const std::string* table = index_table.find(index_name);
    return table == nullptr ? std::string() : *table;
}

std::string Schema::statistics_table(std::string_view name) const {
    const std::string* table = statistics.find(name);
    return table == nullptr ? std::string() : *table;
}

const Index* Schema::index(std::string_view name) const {
    const Table* table = find(table_of_index(name));
    if (table == nullptr) {
        return nullptr;
    }
    const auto found = std::ranges::find(table->indexes, name, &Index::name);
    return found == table->indexes.end() ? nullptr : &*found;
}

std::vector<std::string> Schema::with_descendants(const std::string& table) const {
    std::vector<std::string> all{table};
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (const Table* known = find(all[i])) {
            for (const std::string& child : known->children) {
                if (std::ranges::find(all, child) == all.end()) {
                    all.push_back(child);
                }
            }
        }
    }
    return all;
}

std::vector<std::string> Schema::with_partitions(const std::string& table) const {
    std::vector<std::string> all{table};
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Table* known = find(all[i]);
        if (known == nullptr || known->kind != TableKind::kPartitioned) {
            continue;
        }
        for (const std::string& child : known->children) {
            if (std::ranges::find(all, child) == all.end()) {
                all.push_back(child);
            }
        }
    }
    return all;
}

std::vector<std::string> Schema::views_over(const std::string& relation,
                                            std::string_view column) const {
    const auto has = [](const std::vector<std::string>& names, std::string_view name) {
        return std::ranges::find(names, name) != names.end();
    };
    std::vector<std::string> found;
    std::vector<std::string> below{relation};
    for (std::size_t i = 0; i < below.size(); ++i) {
        const std::vector<std::string>* candidates = views_of_.find(below[i]);
        std::vector<std::string> over;
        for (std::size_t n = 0; candidates != nullptr && n < candidates->size(); ++n) {
            const Table* view = find((*candidates)[n]);
            const bool reads = view != nullptr && is_view(*view) && has(view->reads, below[i]);
            const bool uses =
                reads && (i > 0 || column.empty() || has(view->columns_read, column) ||
                          has(view->columns_read, "*"));
            if (uses && !has(found, view->name)) {
                over.push_back(view->name);
            }
        }
        std::ranges::sort(over);
        found.insert(found.end(), over.begin(), over.end());
        below.insert(below.end(), over.begin(), over.end());
    }
    return found;
}

std::vector<std::string> Schema::referencing(const std::string& table) const {
    std::vector<std::string> result;
    const std::vector<std::string>* candidates = keys_to_.find(table);
    for (std::size_t i = 0; candidates != nullptr && i < candidates->size(); ++i) {
        const Table* other = find((*candidates)[i]);
        const bool refers =
            other != nullptr && other->name != table &&
            std::ranges::any_of(other->constraints, [&](const TableConstraint& key) {
                return key.kind == ConstraintKind::kForeign && key.other_table == table;
            });
        if (refers) {
            result.push_back(other->name);
        }
    }
    std::ranges::sort(result);
    return result;
}

void Schema::note_key(const std::string& other, const std::string& table) {
    note(keys_to_.at(other), table);
}

void Schema::add_table(Table table) {
    for (const Index& index : table.indexes) {
        index_table.at(index.name) = table.name;
    }
    if (Table* parent = table.parent.empty() ? nullptr : tables.find(table.parent)) {
        parent->children.push_back(table.name);
    }
    for (const std::string& read : is_view(table) ? table.reads : std::vector<std::string>()) {
        note(views_of_.at(read), table.name);
    }
    std::string name = table.name;
    tables.at(name) = std::move(table);
}

void Schema::drop_table(const std::string& name) {
    const Table* table = tables.find(name);
    if (table == nullptr) {
        return;
    }
    const Table gone = *table;
    for (const Index& index : gone.indexes) {
        index_table.erase(index.name);
    }
    if (Table* parent = tables.find(gone.parent)) {
        std::erase(parent->children, name);
        if (parent->default_partition == name) {
            parent->default_partition.clear();
        }
    }
    tables.erase(name);
    if (gone.kind == TableKind::kPartitioned) {
        for (const std::string& child : gone.children) {
            drop_table(child);
        }
    }
    for (auto& [other_name, other] : tables) {
        std::erase_if(other.constraints, [&](const TableConstraint& constraint) {
            return constraint.kind == ConstraintKind::kForeign && constraint.other_table == name;
        });
    }
}

void Schema::rename_table(const std::string& from, const std::string& to) {
    Table* table = tables.find(from);
    if (table == nullptr || from == to) {
        return;
    }
    Table moved = std::move(*table);
    tables.erase(from);
    moved.name = to;
    for (TableConstraint& constraint : moved.constraints) {
        constraint.other_table = constraint.other_table == from ? to : constraint.other_table;
    }
    for (const Index& index : moved.indexes) {
        index_table.at(index.name) = to;
    }
    for (auto& [name, other] : tables) {
        std::ranges::replace(other.children, from, to);
        if (other.parent == from) {
            other.parent = to;
        }
        if (other.default_partition == from) {
            other.default_partition = to;
        }
        std::ranges::replace(other.reads, from, to);
        for (TableConstraint& constraint : other.constraints) {
            if (constraint.other_table == from) {
                constraint.other_table = to;
            }
        }
    }
    tables.at(to) = std::move(moved);
    rename_in(keys_to_, from, to);
    rename_in(views_of_, from, to);
}

void Schema::add_index(const std::string& table, Index index) {
    index_table.at(index.name) = table;
    if (Table* known = tables.find(table)) {
        known->indexes.push_back(std::move(index));
    }
}

void Schema::drop_index(const std::string& name) {
    if (Table* table = tables.find(table_of_index(name))) {
        std::erase_if(table->indexes, [&](const Index& index) { return index.name == name; });
    }
    index_table.erase(name);
}

// Indexes and constraints that hold the column go with it.
void Schema::drop_column(const std::string& table_name, const std::string& column) {
    Table* table = tables.find(table_name);
    if (table == nullptr) {
        return;
    }
    std::erase_if(table->columns, [&](const Column& known) { return known.name == column; });
    const auto holds = [&](const std::vector<std::string>& columns) {
        return std::ranges::find(columns, column) != columns.end();
    };
    std::erase_if(table->constraints,
                  [&](const TableConstraint& constraint) { return holds(constraint.columns); });
    for (const Index& index : table->indexes) {
        if (holds(index.columns)) {
            index_table.erase(index.name);
        }
    }
    std::erase_if(table->indexes, [&](const Index& index) { return holds(index.columns); });
}

void Schema::rename_column(Table& table, const std::string& from, const std::string& to) {
    for (Column& column : table.columns) {
        if (column.name == from) {
            column.name = to;
        }
    }
    for (TableConstraint& constraint : table.constraints) {
        std::ranges::replace(constraint.columns, from, to);
        std::ranges::replace(constraint.not_null, from, to);
    }
    for (Index& index : table.indexes) {
        std::ranges::replace(index.columns, from, to);
    }
    for (auto& [name, other] : tables) {
        for (TableConstraint& constraint : other.constraints) {
            if (constraint.other_table == table.name) {
                std::ranges::replace(constraint.other_columns, from, to);
            }
        }
    }
}

namespace {

template <typename T>
void move_entry(NameMap<T>& map, const std::string& from, const std::string& to) {
    if (T* entry = map.find(from); entry != nullptr && from != to) {
        T moved = std::move(*entry);
        map.erase(from);
        map.at(to) = std::move(moved);
    }
}

constexpr int kDomainDepthMax = 8;  // domains over domains

}  // namespace

void Schema::rename_type(const std::string& from, const std::string& to) {
    move_entry(domains, from, to);
    move_entry(enums, from, to);
    for (auto& [name, domain] : domains) {
        domain.base.name = domain.base.name == from ? to : domain.base.name;
    }
    for (auto& [name, table] : tables) {
        table.of_type = table.of_type == from ? to : table.of_type;
        for (Column& column : table.columns) {
            column.type.name = column.type.name == from ? to : column.type.name;
        }
    }
}

void Schema::rename_schema(const std::string& from, const std::string& to) {
    const std::string prefix = from == "public" ? std::string() : from + ".";
    const auto inside = [&](const std::string& name) {
        return prefix.empty() ? name.find('.') == std::string::npos : name.starts_with(prefix);
    };
    const auto moved = [&](const std::string& name) {
        return name_of(to, std::string_view(name).substr(prefix.size()));
    };
    std::vector<std::string> names;
    for (const auto& [name, table] : tables) {
        names.push_back(name);
    }
    std::erase_if(names, [&](const std::string& name) { return !inside(name); });
    for (const std::string& name : names) {
        rename_table(name, moved(name));
    }
    names.clear();
    for (const auto& [name, domain] : domains) {
        names.push_back(name);
    }
    for (const auto& [name, type] : enums) {
        names.push_back(name);
    }
    std::erase_if(names, [&](const std::string& name) { return !inside(name); });
    for (const std::string& name : names) {
        rename_type(name, moved(name));
    }
}

ColumnType Schema::base_of(const ColumnType& type, int& constraints) const {
    ColumnType base = type;
    for (int depth = 0; depth < kDomainDepthMax; ++depth) {
        const Domain* domain = domains.find(base.name);
        if (domain == nullptr || base.array_dimensions > 0) {
            break;
        }
        constraints += domain->constraints;
        base = domain->base;
    }
    return base;
}

bool Schema::rests_on(const ColumnType& type, std::string_view domain) const {
    ColumnType base = type;
    for (int depth = 0; depth < kDomainDepthMax && base.array_dimensions == 0; ++depth) {
        if (base.name == domain) {
            return true;
        }
        const Domain* known = domains.find(base.name);
        if (known == nullptr) {
            break;
        }
        base = known->base;
    }
    return false;
}

Volatility volatility_of(const Schema& schema, std::string_view function) {
    if (const Routine* routine = schema.routines.find(function)) {
        return routine->volatility == 'v' ? Volatility::kVolatile : Volatility::kSteady;
    }
    const char builtin = builtin_volatility(function);
    if (builtin != 0) {
        return builtin == 'v' ? Volatility::kVolatile : Volatility::kSteady;
    }
    const bool random = function.starts_with("uuid_generate_v") || function == "gen_random_bytes" ||
                        function == "gen_salt" || function == "uuidv7" || function == "uuidv4";
    return random ? Volatility::kVolatile : Volatility::kUnknown;
}

Volatility expression_volatility(const Schema& schema, const sql::Node& expression,
                                 std::string& function) {
    Volatility worst = Volatility::kSteady;
    sql::visit(expression.base, [&](const sql::Node& node) {
        if (node.node_case != PG_QUERY__NODE__NODE_FUNC_CALL) {
            return;
        }
        const PgQuery__FuncCall& call = *node.func_call;
        std::string name(call.n_funcname == 0
                             ? std::string_view()
                             : sql::string_value(call.funcname[call.n_funcname - 1]));
        const bool qualified = call.n_funcname > 1 &&
                               sql::string_value(call.funcname[0]) != "pg_catalog" &&
                               sql::string_value(call.funcname[0]) != "public";
        Volatility found = Volatility::kUnknown;
        if (qualified) {
            name = std::string(sql::string_value(call.funcname[0])) + "." + name;
            const Routine* routine = schema.routines.find(name);
            if (routine != nullptr) {
                found = volatility_of(schema, name);
            } else if (const auto dot = name.rfind('.'); dot != std::string::npos) {
                found = volatility_of(schema, std::string_view(name).substr(dot + 1)) ==
                                Volatility::kVolatile
                            ? Volatility::kVolatile
                            : Volatility::kUnknown;
            }
        } else {
            found = volatility_of(schema, name);
        }
        const bool worse = found == Volatility::kVolatile ||
                           (found == Volatility::kUnknown && worst == Volatility::kSteady);
        if (worse && worst != Volatility::kVolatile) {
            worst = found;
            function = name;
        }
    });
    return worst;
}

}  // namespace howdah::migrate
