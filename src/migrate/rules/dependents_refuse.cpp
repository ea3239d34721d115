// dependents-refuse: see the texts below, and dependents-refuse.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

using Names = std::vector<std::string>;

bool has(const Names& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

// The tables and views that the whole statement drops or empties.
Names named_together(const Step& step) {
    Names names;
    const sql::Node& node = *step.action.node;
    if (node.node_case == PG_QUERY__NODE__NODE_DROP_STMT) {
        for (std::size_t i = 0; i < node.drop_stmt->n_objects; ++i) {
            names.push_back(step.schema.name_of(node.drop_stmt->objects[i]));
        }
    } else if (node.node_case == PG_QUERY__NODE__NODE_TRUNCATE_STMT) {
        for (std::size_t i = 0; i < node.truncate_stmt->n_relations; ++i) {
            names.push_back(step.schema.name_of(node.truncate_stmt->relations[i]->range_var));
        }
    }
    return names;
}

Names keys_to_table(const Step& step, const Names& going) {
    const Names below = step.schema.with_descendants(step.action.table);
    Names found;
    for (const std::string& other : step.schema.referencing(step.action.table)) {
        if (!has(going, other) && !has(below, other)) {
            found.push_back("a foreign key of " + other);
        }
    }
    return found;
}

Names views_over_table(const Step& step, const Names& going) {
    Names found;
    for (const std::string& view : step.schema.views_over(step.action.table, "")) {
        const Table* known = step.schema.find(view);
        if (!has(going, view) && known != nullptr && has(known->reads, step.action.table)) {
            found.push_back("view " + view);
        }
    }
    return found;
}

// Whether the view surely reads the column: no other table of it may be meant.
bool reads_column(const Schema& schema, const Table& view, const std::string& table,
                  const Column& column) {
    if (!has(view.reads, table)) {
        return false;
    }
    if (has(view.columns_read, "*")) {
        return view.reads.size() == 1 && column.born <= view.born;
    }
    return has(view.columns_read, column.name) &&
           std::ranges::all_of(view.reads, [&](const std::string& name) {
               const Table* other = schema.find(name);
               return name == table || (other != nullptr && other->complete &&
                                        other->column(column.name) == nullptr);
           });
}

Names views_over_column(const Step& step) {
    Names found;
    const Table* table = step.schema.find(step.action.table);
    const Column* column = table == nullptr ? nullptr : table->column(step.action.name);
    if (column == nullptr) {
        return found;
    }
    for (const std::string& name : step.schema.views_over(table->name, column->name)) {
        const Table* view = step.schema.find(name);
        if (view != nullptr && reads_column(step.schema, *view, table->name, *column)) {
            found.push_back("view " + name);
        }
    }
    return found;
}

// Foreign keys of other tables that point at exactly these columns; `primary`: or name none.
Names keys_to_columns(const Step& step, const Names& columns, bool primary, bool any_of_them) {
    Names found;
    for (const std::string& other : step.schema.referencing(step.action.table)) {
        for (const TableConstraint& key : step.schema.find(other)->constraints) {
            if (key.kind != ConstraintKind::kForeign || key.other_table != step.action.table) {
                continue;
            }
            const Names& to = key.other_columns;
            const bool points =
                to.empty()    ? primary
                : any_of_them ? has(to, columns.front())
                              : to.size() == columns.size() &&
                                    std::is_permutation(to.begin(), to.end(), columns.begin());
            if (points) {
                found.push_back(fmt::format("foreign key {} of {}", key.name, other));
            }
        }
    }
    return found;
}

Names keys_to_constraint(const Step& step) {
    const Table* table = step.schema.find(step.action.table);
    const TableConstraint* gone = table == nullptr ? nullptr : table->constraint(step.action.name);
    const auto is_key = [](const TableConstraint& each) {
        return each.kind == ConstraintKind::kPrimary || each.kind == ConstraintKind::kUnique;
    };
    if (gone == nullptr || !is_key(*gone) || gone->columns.empty()) {
        return {};
    }
    // Two keys over the same columns: which one a foreign key rests on is not told.
    const auto same = std::ranges::count_if(table->indexes, [&](const Index& index) {
        return index.unique && index.columns.size() == gone->columns.size() &&
               std::is_permutation(index.columns.begin(), index.columns.end(),
                                   gone->columns.begin());
    });
    return same > 1 ? Names()
                    : keys_to_columns(step, gone->columns, gone->kind == ConstraintKind::kPrimary,
                                      false);
}

Names columns_of_type(const Step& step) {
    Names found;
    for (const auto& [name, table] : step.schema.tables) {
        for (const Column& column : table.columns) {
            if (column.type.name == step.action.name && table.kind != TableKind::kView) {
                found.push_back(fmt::format("column {} of {}", column.name, name));
            }
        }
    }
    std::ranges::sort(found);
    return found;
}

Names triggers_of_function(const Step& step) {
    Names found;
    for (const auto& [name, table] : step.schema.tables) {
        for (const Trigger& trigger : table.triggers) {
            if (trigger.function == step.action.name) {
                found.push_back(fmt::format("trigger {} of {}", trigger.name, name));
            }
        }
    }
    std::ranges::sort(found);
    return found;
}

Names dependents(const Step& step) {
    const Action& a = step.action;
    switch (a.kind) {
        case ActionKind::kDropTable:
        case ActionKind::kDropView: {
            const Names going = named_together(step);
            Names found = keys_to_table(step, going);
            std::ranges::move(views_over_table(step, going), std::back_inserter(found));
            return found;
        }
        case ActionKind::kTruncate:
            return keys_to_table(step, named_together(step));
        case ActionKind::kDropColumn: {
            const Table* table = step.schema.find(a.table);
            const TableConstraint* key = table == nullptr ? nullptr : table->primary_key();
            Names found =
                keys_to_columns(step, {a.name}, key != nullptr && has(key->columns, a.name), true);
            std::ranges::move(views_over_column(step), std::back_inserter(found));
            return found;
        }
        case ActionKind::kAlterType:
            return views_over_column(step);
        case ActionKind::kDropConstraint:
            return keys_to_constraint(step);
        case ActionKind::kDropType:
            return columns_of_type(step);
        case ActionKind::kDropFunction:
            return triggers_of_function(step);
        default:
            return {};
    }
}

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.nested || a.node == nullptr || a.has(kCascade)) {
        return;
    }
    const Names found = dependents(step);
    if (found.empty()) {
        return;
    }
    constexpr std::size_t kNamedMax = 3;
    const std::size_t named = std::min(found.size(), kNamedMax);
    const bool type = a.kind == ActionKind::kAlterType;
    sink.at(a,
            fmt::format(
                "fails: {}{} still {} {}",
                fmt::join(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(named), ", "),
                found.size() > named ? fmt::format(" and {} more", found.size() - named) : "",
                found.size() > 1 ? "need" : "needs",
                a.kind == ActionKind::kDropColumn || type ? fmt::format("{}.{}", a.table, a.name)
                : a.name.empty()                          ? a.table
                                                          : a.name),
            type ? "DROP VIEW, change the type, CREATE VIEW again, all in one transaction." : "");
}

}  // namespace

const Rule rule_dependents_refuse{
    .name = "dependents-refuse",
    .title = "PostgreSQL refuses it, because something else still depends on it.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why =
        "What a foreign key points at, a view reads, a trigger calls or a column is made of is "
        "neither dropped nor (for a view's column) given another type without CASCADE: the "
        "migration fails when it runs. TRUNCATE is refused for a table that others point at.",
    .fix =
        "Drop what depends on it first, in the same migration; or CASCADE, where all of it may go.",
    .flagged = "DROP TABLE customers; -- orders.customer_id REFERENCES customers",
    .clean = "ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey; DROP TABLE customers;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
