// SqlJudge: conditions, joins and orders held against the indexes that are there.
#include <fmt/format.h>

#include <algorithm>

#include "insight/sql_rules.hpp"
#include "sql/names.hpp"

namespace howdah::insight {
namespace {

constexpr double kSmallRows = 1000;

IndexUse use_of(const Predicate& predicate) {
    return predicate.prefix                 ? IndexUse::kPrefix
           : predicate.test == Test::kRange ? IndexUse::kRange
                                            : IndexUse::kEquals;
}

bool is_weak_type(const Table& table, std::string_view name) {
    const Column* column = table.column(name);
    return column != nullptr && column->type == TypeClass::kBoolean;
}

// Adds what one conjunct says about `source` to `access`.
void add_condition(const Table& table, const Predicate& predicate, Access& access,
                   std::string& range) {
    const std::string name(predicate.column.name);
    if (is_weak_type(table, name) || table.column(name) == nullptr) {
        return;
    }
    if (!access.filtered) {
        access.offset = predicate.offset;
    }
    access.filtered = true;
    access.served = access.served || table.has_leading(name, true, use_of(predicate));
    access.prefix = predicate.prefix ? name : access.prefix;
    if (predicate.test == Test::kEquals || predicate.test == Test::kNull) {
        if (std::ranges::find(access.wanted, name) == access.wanted.end()) {
            access.wanted.push_back(name);
        }
    } else if (range.empty()) {
        range = name;
    }
}

bool arms_served(const Query& query, const Predicate& predicate, int source, const Table& table) {
    return std::ranges::all_of(
               predicate.arms,
               [&](const std::vector<Predicate>& arm) {
                   return std::ranges::any_of(arm, [&](const Predicate& inner) {
                       return inner.column.source == source && !inner.column.outer &&
                              table.has_leading(inner.column.name, true, use_of(inner)) &&
                              (inner.test == Test::kEquals || inner.test == Test::kRange ||
                               inner.test == Test::kNull || inner.test == Test::kOperator);
                   });
               }) &&
           query.sources.size() > static_cast<std::size_t>(source);
}

bool expression_served(const Predicate& predicate, int source, const Table& table) {
    if (predicate.wrapped.source != source || predicate.wrapped.outer ||
        predicate.side == nullptr) {
        return false;
    }
    const std::string key = expression_key(predicate.side);
    return !key.empty() && table.has_expression(key);
}

bool is_narrowing(Test test) {
    return test == Test::kEquals || test == Test::kRange || test == Test::kNull;
}

}  // namespace

Access access_of(const Query& query, int index) {
    const Source& source = query.sources[static_cast<std::size_t>(index)];
    Access access;
    if (source.known == nullptr || source.known->columns.empty() || source.known->view) {
        return access;
    }
    const Table& table = *source.known;
    access.known = true;
    access.small = table.rows.has_value() && *table.rows < kSmallRows;
    access.unique = table.is_unique(query.equal_columns(index, false));
    std::string range;
    std::vector<std::string> tested;
    for (const Predicate& predicate : query.predicates) {
        if (predicate.test == Test::kOr) {
            access.served = access.served || arms_served(query, predicate, index, table);
            continue;
        }
        access.served = access.served || expression_served(predicate, index, table);
        const bool own = predicate.column.source == index && !predicate.column.outer;
        if (!own || (predicate.other.known() && !predicate.other.outer)) {
            continue;
        }
        tested.emplace_back(predicate.column.name);
        if (predicate.test == Test::kOperator || predicate.test == Test::kWildcard) {
            access.served = access.served || table.has_leading(predicate.column.name, true);
        } else if (predicate.test == Test::kTrue) {
            // "WHERE active" is served by a partial index of its own
            access.served = access.served || table.has_leading(predicate.column.name, true);
        } else if (is_narrowing(predicate.test)) {
            add_condition(table, predicate, access, range);
        }
    }
    if (!range.empty()) {
        access.wanted.push_back(range);
    }
    access.served = access.served || table.leads(tested, access.wanted);
    return access;
}

bool only_weak_conditions(const Query& query, int source) {
    const Source& from = query.sources[static_cast<std::size_t>(source)];
    return std::ranges::all_of(query.predicates, [&](const Predicate& predicate) {
        if (predicate.join || predicate.test == Test::kConstant) {
            return true;
        }
        const bool other_source =
            !predicate.touched.empty() &&
            std::ranges::find(predicate.touched, source) == predicate.touched.end();
        if (other_source) {
            return true;
        }
        if (predicate.test == Test::kEquals && from.known != nullptr) {
            return is_weak_type(*from.known, predicate.column.name);
        }
        return predicate.test == Test::kUnequal || predicate.test == Test::kTrue ||
               predicate.test == Test::kNull;
    });
}

namespace {

// Outside of collation C, LIKE 'x%' needs an index that compares bytes.
std::vector<std::string> index_keys(const Table& table, const Access& access) {
    std::vector<std::string> keys = access.wanted;
    const Column* column = table.column(access.prefix);
    if (column == nullptr || column->by_bytes.value_or(false)) {
        return keys;
    }
    std::ranges::replace(keys, access.prefix,
                         access.prefix + (column->type == TypeClass::kChar ? " bpchar_pattern_ops"
                                                                           : " text_pattern_ops"));
    return keys;
}

std::string no_index(const Table& table, const Access& access) {
    if (!access.prefix.empty() && table.has_leading(access.prefix, true)) {
        return fmt::format("LIKE cannot use the index on {}: its collation is not C",
                           access.prefix);
    }
    return fmt::format("no index of {} starts with {}", table.name,
                       fmt::join(access.wanted, " or "));
}

}  // namespace

// A plain index that is there, and that LIKE can use under one collation only.
void SqlJudge::check_collation(const Source& source, const Access& access) {
    if (access.prefix.empty() || !access.served || access.small || access.unique ||
        access.wanted.size() != 1 || !source.known->prefix_depends_on_collation(access.prefix)) {
        return;
    }
    report("missing-index", access.offset,
           {.message =
                fmt::format("LIKE can use the index on {} only under collation C", access.prefix),
            .fix = create_index_sql(source.table, index_keys(*source.known, access)),
            .evidence = "no schema here tells the collation; --database does",
            .confidence = "suspected",
            .minor = true});
}

namespace {

// Whether the rows of `source` are all that a query by joins has to start from: the only conditions
// that are no joins are its own, and no limit ends a walk over something else.
bool only_start(const Query& query, int source) {
    const auto own = [&](const Predicate& predicate) {
        return predicate.column.source == source && !predicate.column.outer &&
               !predicate.other.known();
    };
    return query.role == Role::kTop && query.limit == nullptr && !query.correlated &&
           std::ranges::any_of(query.predicates,
                               [&](const Predicate& predicate) {
                                   return own(predicate) && (predicate.test == Test::kEquals ||
                                                             predicate.test == Test::kRange);
                               }) &&
           std::ranges::all_of(query.sources,
                               [](const Source& each) {
                                   return each.known != nullptr && !each.one_row &&
                                          !each.left_joined;
                               }) &&
           std::ranges::all_of(query.predicates, [&](const Predicate& predicate) {
               return predicate.test == Test::kConstant || predicate.other.known() ||
                      own(predicate);
           });
}

}  // namespace

void SqlJudge::check_access(const Query& query) {
    for (std::size_t i = 0; i < query.sources.size(); ++i) {
        const auto source = static_cast<int>(i);
        const Access access = access_of(query, source);
        check_collation(query.sources[i], access);
        if (!access.known || access.small || access.served || access.unique) {
            continue;
        }
        const Source& from = query.sources[i];
        // Reached through a join that an index serves, its own conditions only filter, where there
        // are others to start from.
        const auto through_join = [&](const Predicate& predicate) {
            const bool left = predicate.column.source == source && !predicate.column.outer;
            const ColumnUse& mine = left ? predicate.column : predicate.other;
            return predicate.test == Test::kEquals && predicate.other.known() &&
                   mine.source == source && from.known->has_leading(mine.name, false);
        };
        if (std::ranges::any_of(query.predicates, through_join) &&
            !(access.filtered && only_start(query, source))) {
            continue;
        }
        if (access.filtered) {
            report(
                "missing-index", access.offset,
                {.message = no_index(*from.known, access),
                 .fix = create_index_sql(from.table, index_keys(*from.known, access)),
                 .evidence = from.known->rows ? fmt::format("{:.0f} rows", *from.known->rows)
                                              : std::string(),
                 .confidence = only_choices(*from.known, access.wanted) ? "suspected" : "certain",
                 .minor = only_choices(*from.known, access.wanted)});
            continue;
        }
        check_join_access(query, source);
        check_operator_access(query, source);
    }
    check_sort_access(query);
    if (query.sources.size() != 1 || !query.has_where || query.role != Role::kTop) {
        return;
    }
    const Access access = access_of(query, 0);
    const bool limited = query.limit != nullptr;
    if (access.known && !access.small && !access.filtered && !access.served && !limited &&
        !query.predicates.empty() &&
        std::ranges::all_of(query.predicates, [](const Predicate& predicate) {
            return predicate.test == Test::kUnequal || predicate.test == Test::kTrue;
        })) {
        report("full-scan", query.predicates.front().offset, {});
    }
}

// payload @> $1, tags && $1, search @@ $1: only GIN and GiST serve these.
void SqlJudge::check_operator_access(const Query& query, int source) {
    const Source& from = query.sources[static_cast<std::size_t>(source)];
    for (const Predicate& predicate : query.predicates) {
        const sql::Node* node = predicate.node;
        if (predicate.test != Test::kOperator || predicate.column.source != source ||
            predicate.column.outer || predicate.other.known() || node == nullptr ||
            node->node_case != PG_QUERY__NODE__NODE_A_EXPR) {
            continue;
        }
        const std::string_view sign = operator_of(*node->a_expr);
        const Column* column = from.known->column(predicate.column.name);
        const bool parts = sign == "@>" || sign == "&&" || sign == "?" || sign == "?|" ||
                           sign == "?&" || sign == "@?";
        const bool listed =
            column != nullptr &&
            ((parts && (column->type == TypeClass::kJson || column->type == TypeClass::kArray)) ||
             (sign == "@@" && column->type == TypeClass::kOther));
        const bool indexed = std::ranges::any_of(from.known->indexes, [&](const Index& index) {
            return std::ranges::find(index.keys, predicate.column.name, &IndexKey::column) !=
                   index.keys.end();
        });
        if (listed && !indexed) {
            report("missing-index", predicate.offset,
                   {.message = fmt::format("no index of {} serves {} on {}", from.known->name, sign,
                                           column->name),
                    .fix = fmt::format("create index concurrently on {} using gin ({});",
                                       sql::qualified_name_in_sql(from.table),
                                       sql::name_in_sql(column->name))});
            return;
        }
    }
}

// Few rows of one table lead to another by a column that no index starts with.
void SqlJudge::check_join_access(const Query& query, int source) {
    const Source& from = query.sources[static_cast<std::size_t>(source)];
    for (const Predicate& predicate : query.predicates) {
        if (predicate.test != Test::kEquals || !predicate.other.known() || predicate.other.outer) {
            continue;
        }
        const bool left = predicate.column.source == source;
        const ColumnUse& mine = left ? predicate.column : predicate.other;
        const ColumnUse& theirs = left ? predicate.other : predicate.column;
        if (mine.source != source || theirs.source == source ||
            from.known->column(mine.name) == nullptr) {
            continue;
        }
        const Access driver = access_of(query, theirs.source);
        if (!driver.unique && !(driver.filtered && driver.served)) {
            continue;
        }
        const std::vector<std::string> columns{std::string(mine.name)};
        report("missing-index", mine.offset != 0 ? mine.offset : predicate.offset,
               {.message = fmt::format("no index of {} starts with the join column {}", from.table,
                                       mine.name),
                .fix = create_index_sql(from.table, columns)});
        return;
    }
}

// ORDER BY ... LIMIT without conditions: an index in that order gives the first rows at once.
void SqlJudge::check_sort_access(const Query& query) {
    if (query.limit == nullptr || query.order.empty() || query.sources.size() != 1 ||
        query.has_where || query.grouped || query.aggregated || query.distinct) {
        return;
    }
    const Source& from = query.sources.front();
    const OrderKey& key = query.order.front();
    if (from.known == nullptr || from.known->columns.empty() || from.known->view ||
        from.known->rows.value_or(1e9) < kSmallRows || !key.column.known() || key.column.outer ||
        from.known->column(key.column.name) == nullptr ||
        from.known->has_leading(key.column.name, false, IndexUse::kOrder)) {
        return;
    }
    std::vector<std::string> columns;
    for (const OrderKey& each : query.order) {
        if (each.column.known()) {
            columns.emplace_back(each.column.name);
        }
    }
    report("missing-index", key.offset,
           {.message =
                fmt::format("no index of {} is in the order of {}", from.table, key.column.name),
            .fix = create_index_sql(from.table, columns)});
}

}  // namespace howdah::insight
