#include "insight/code_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "sql/names.hpp"

namespace howdah::insight {
namespace {

constexpr std::size_t kWideColumns = 15;
constexpr long kDeepOffset = 1000;
constexpr std::size_t kIndexColumnsMax = 3;  // by equality, in an index that is proposed

bool is_heavy(const Column& column) {
    return column.type == TypeClass::kJson || column.type == TypeClass::kBytes;
}

bool is_boolean(const Table& table, std::string_view name) {
    const Column* column = table.column(name);
    return column != nullptr && column->type == TypeClass::kBoolean;
}

bool narrows(Test test) {
    return test == Test::kEquals || test == Test::kRange || test == Test::kNull;
}

std::string_view statement_kind(Verb verb) {
    switch (verb) {
        case Verb::kAggregate:
            return "aggregate";
        case Verb::kCreate:
        case Verb::kCreateMany:
        case Verb::kUpsert:
            return "insert";
        case Verb::kUpdate:
        case Verb::kUpdateMany:
            return "update";
        case Verb::kDelete:
        case Verb::kDeleteMany:
            return "delete";
        default:
            return "select";
    }
}

std::string field_of(const Table& table, std::string_view column) {
    const Column* found = table.column(column);
    return found == nullptr || found->field.empty() ? std::string(column) : found->field;
}

// deletedAt: null holds for nearly every row.
bool is_soft_delete(std::string_view column) {
    return column.find("delete") != std::string_view::npos ||
           column.find("archive") != std::string_view::npos;
}

}  // namespace

void CodeJudge::judge() {
    for (const CodeQuery& query : project_.queries(module_)) {
        const std::size_t first = out_.findings.size();
        if (query.piece) {
            check_pasted(query);
            continue;
        }
        if (query.subquery) {
            judge_conditions(query);
            continue;
        }
        by_call_.emplace(query.call, &query);
        ++out_.statements;
        if (query.orm == Orm::kRaw) {
            judge_raw(query);
        } else {
            judge_query(query);
            add_verdict(query, first);
        }
    }
    check_calls();
    check_sequences();
}

// Findings in side code are notes.
void CodeJudge::demote(Finding& finding) const {
    if (side_code_ && (finding.rule != "sql-injection" || is_test_code(module_.file()))) {
        finding.severity = Severity::kInfo;
        finding.risk = Risk::kLow;
    }
}

void CodeJudge::report(std::string_view name, NodeId node, Notice notice) {
    Finding finding = source_.finding(rule(name), syntax_.range(node), std::move(notice));
    demote(finding);
    out_.findings.push_back(std::move(finding));
}

void CodeJudge::judge_query(const CodeQuery& query) {
    check_loops(query);
    check_pagination(query);
    check_offset(query);
    check_includes(query);
    check_over_fetching(query);
    check_missing_where(query);
    if (query.random_order != kNoNode) {
        report("order-by-random", query.random_order);
    }
    judge_conditions(query);
}

void CodeJudge::judge_conditions(const CodeQuery& query) {
    check_wildcards(query);
    check_alternatives(query);
    check_index(query);
    for (const CodeQuery& fragment : query.fragments) {
        check_fragment(query, fragment);
    }
}

// Equal to a key, of its own or of a related row; or each arm of an OR is.
bool CodeJudge::is_narrowed(const CodeQuery& query) {
    std::map<int, bool> arms;  // by arm of an OR; 0 = outside
    for (const Condition& condition : query.conditions) {
        const Column* column =
            condition.table == nullptr ? nullptr : condition.table->column(condition.column);
        const bool choice = column != nullptr && (column->type == TypeClass::kEnum ||
                                                  column->type == TypeClass::kBoolean);
        const bool written = syntax_.is(syntax_.bare(condition.value), Kind::kTrue) ||
                             syntax_.is(syntax_.bare(condition.value), Kind::kFalse);
        bool& arm = arms[condition.alternative];
        arm = arm || (condition.test == Test::kEquals && !choice && !written);
    }
    const bool outside = arms[0];
    arms.erase(0);
    return outside ||
           (!arms.empty() && std::ranges::all_of(arms, [](const auto& arm) { return arm.second; }));
}

// A column of the table's own lies between two ends: the users of one day.
bool CodeJudge::is_between(const CodeQuery& query) {
    const auto holds = [](const Condition& condition) {
        return condition.test == Test::kRange && condition.alternative == 0 &&
               !condition.relation && !condition.column.empty();
    };
    return std::ranges::any_of(query.conditions, [&](const Condition& one) {
        return holds(one) &&
               (one.closed || std::ranges::any_of(query.conditions, [&](const Condition& other) {
                    return &one != &other && holds(other) && one.column == other.column;
                }));
    });
}

void CodeJudge::check_pagination(const CodeQuery& query) {
    if (query.verb != Verb::kFindMany || query.limited || query.open || query.grouped ||
        query.by_unique || std::ranges::any_of(query.conditions, &Condition::list)) {
        return;
    }
    const bool narrowed = is_narrowed(query);
    Notice notice{.fix = query.orm == Orm::kPrisma
                             ? "take: 50, cursor: { id: lastId }, skip: 1, orderBy: { id: 'asc' }"
                             : "limit 50, ordered by a key, with gt(table.id, lastId)"};
    if (narrowed) {
        notice.message = "a list without a limit: grows with what belongs to this key";
        notice.confidence = "suspected";
        notice.minor = true;
    } else if (is_between(query)) {
        notice.message = "a list without a limit: grows with the width of the range";
        notice.confidence = "suspected";
        notice.minor = true;
    }
    report("missing-pagination", query.head, std::move(notice));
}

void CodeJudge::check_offset(const CodeQuery& query) {
    if (query.offset == kNoNode || query.cursor) {
        return;
    }
    const NodeId value = syntax_.bare(query.offset);
    if (syntax_.is(value, Kind::kNumber)) {
        const std::string_view text = syntax_.text(value);
        long rows = 0;
        std::from_chars(text.data(), text.data() + text.size(), rows);
        if (rows < kDeepOffset) {
            return;
        }
        report("deep-offset", query.offset,
               {.evidence = fmt::format("{} rows are read and dropped", rows)});
        return;
    }
    const bool bounded = syntax_.text(query.offset).find("Math.min(") != std::string_view::npos;
    if (!syntax_.is(value, Kind::kUndefined) && !bounded) {
        report("deep-offset", query.offset,
               {.message = "pages by an offset that nothing bounds",
                .fix = query.orm == Orm::kPrisma
                           ? "cursor: { id: lastId }, skip: 1, take: 50, orderBy: { id: 'asc' }"
                           : "where(gt(table.id, lastId)), orderBy(table.id), limit(50)",
                .confidence = "suspected",
                .minor = true});
    }
}

void CodeJudge::check_includes(const CodeQuery& query) {
    if (query.deepest != kNoNode) {
        const auto last = std::ranges::find(query.includes, query.deepest, &Include::node);
        const bool one = last != query.includes.end() && last->table != nullptr && !last->to_many;
        report("deep-include", query.deepest,
               {.evidence = fmt::format("{} levels", query.include_depth), .minor = one});
    }
    if (query.nested_count != kNoNode && query.verb == Verb::kFindMany) {
        report("deep-include", query.nested_count,
               {.message = "counts rows for each row of a nested relation",
                .confidence = "likely",
                .minor = true});
    }
    for (const Include& include : query.includes) {
        if (include.to_many && !include.limited) {
            const bool list = query.verb == Verb::kFindMany && !query.by_unique;
            report("unbounded-include", include.node,
                   {.message = include.filtered
                                   ? fmt::format("{} of every row come along, as many as match",
                                                 include.field)
                                   : fmt::format("all {} of every row come along", include.field),
                    .fix = query.orm == Orm::kPrisma
                               ? fmt::format("{}: {{ take: 20 }}", include.field)
                               : fmt::format("{}: {{ limit: 20 }}", include.field),
                    .confidence = include.filtered ? "suspected"
                                  : list           ? "certain"
                                                   : "likely",
                    .minor = !list || include.filtered});
        }
    }
}

void CodeJudge::check_over_fetching(const CodeQuery& query) {
    const auto heavy = [](const Table* table) {
        return table != nullptr && (table->columns.size() > kWideColumns ||
                                    std::ranges::any_of(table->columns, is_heavy));
    };
    const auto evidence = [](const Table& table) {
        const auto found = std::ranges::find_if(table.columns, is_heavy);
        return found != table.columns.end() ? fmt::format("{} is JSON or binary", found->field)
                                            : fmt::format("{} columns", table.columns.size());
    };
    if (query.verb == Verb::kFindMany && !query.projected && !query.open && heavy(query.table)) {
        report("over-fetching", query.head, {.evidence = evidence(*query.table)});
    }
    for (const Include& include : query.includes) {
        if (query.verb == Verb::kFindMany && !include.projected && heavy(include.table)) {
            report("over-fetching", include.node, {.evidence = evidence(*include.table)});
        }
    }
}

void CodeJudge::check_missing_where(const CodeQuery& query) {
    const bool update = query.verb == Verb::kUpdateMany;
    const bool all = update || query.verb == Verb::kDeleteMany;
    if (!all || query.open || (query.has_where && !query.empty_where)) {
        return;
    }
    report(update ? "update-without-where" : "delete-without-where", query.head);
}

void CodeJudge::check_wildcards(const CodeQuery& query) {
    for (const Condition& condition : query.conditions) {
        const Table* table = condition.table;
        const bool trigram = table != nullptr && table->has_trigram();
        const bool narrowed =
            query.by_unique || std::ranges::any_of(query.conditions, [&](const Condition& other) {
                return &other != &condition && other.alternative == 0 &&
                       other.test == Test::kEquals && other.table == condition.table &&
                       (table == nullptr || table->indexes.empty() ||
                        table->has_leading(other.column, false));
            });
        if (narrowed || trigram) {
            continue;
        }
        if (condition.test == Test::kWildcard) {
            const bool known = table != nullptr && table->column(condition.column) != nullptr;
            report(
                "leading-wildcard", condition.node,
                {.fix = known ? fmt::format("create extension if not exists pg_trgm;\ncreate index "
                                            "concurrently on {} using gin ({} gin_trgm_ops);",
                                            sql::qualified_name_in_sql(table->name),
                                            sql::name_in_sql(condition.column))
                              : std::string()});
        } else if (condition.insensitive && (narrows(condition.test))) {
            report("non-sargable", condition.node,
                   {.message = fmt::format("case-insensitive: no plain index on {} can serve this",
                                           condition.column),
                    .fix = "Make the column citext, or compare a lower-case copy of it."});
        }
    }
    if (query.negation != kNoNode &&
        std::ranges::none_of(query.conditions, [](const Condition& condition) {
            return narrows(condition.test) && condition.alternative == 0;
        })) {
        report("non-sargable", query.negation,
               {.message = "NOT alone leaves most rows in: no index narrows the scan",
                .fix = "Say what is wanted: in: [...] over the values that are left.",
                .confidence = "likely",
                .minor = true});
    }
}

void CodeJudge::check_alternatives(const CodeQuery& query) {
    // One row, or few, before the OR filters them: by a key of its own, or of the row it belongs
    // to.
    const bool few =
        query.by_unique || std::ranges::any_of(query.conditions, [&](const Condition& condition) {
            const std::string column[] = {condition.column};
            return condition.alternative == 0 && condition.test == Test::kEquals &&
                   condition.table != nullptr &&
                   (condition.table == query.table
                        ? condition.table->has_leading(condition.column, false)
                        : condition.table->is_unique(column));
        });
    if (few) {
        return;
    }
    for (const Condition& one : query.conditions) {
        for (const Condition& other : query.conditions) {
            const bool apart = one.alternative != 0 && other.alternative > one.alternative;
            const bool tables =
                one.relation != other.relation || (one.relation && one.table != other.table);
            if (apart && tables) {
                report("or-across-relations", (other.relation ? other : one).node);
                return;
            }
        }
    }
}

std::string CodeJudge::index_fix(Orm orm, const Table& table,
                                 const std::vector<std::string>& columns) {
    std::vector<std::string> fields;
    for (const std::string& column : columns) {
        fields.push_back(field_of(table, column));
    }
    if (orm == Orm::kDrizzle) {
        std::string list;
        for (const std::string& field : fields) {
            list += (list.empty() ? "t." : ", t.") + field;
        }
        return fmt::format("index('{}_{}').on({})", table.name, fmt::join(columns, "_"), list);
    }
    return fmt::format("@@index([{}]) in model {}", fmt::join(fields, ", "),
                       table.model_name(Origin::kPrisma));
}

// OR: [{ ownerId }, { isPublic: true }], an index for each arm: their results are joined.
bool CodeJudge::arms_served(const CodeQuery& query, const Table& table) {
    std::map<int, bool> arms;
    for (const Condition& condition : query.conditions) {
        if (condition.alternative != 0) {
            bool& arm = arms[condition.alternative];
            arm = arm || (condition.table == &table && narrows(condition.test) &&
                          !condition.insensitive && table.has_leading(condition.column, true));
        }
    }
    return arms.size() > 1 && std::ranges::all_of(arms, [](const auto& arm) { return arm.second; });
}

// Whether an index narrows what the conditions on `table` leave; fills the columns of one that
// would.
bool CodeJudge::served(const CodeQuery& query, const Table& table, std::vector<std::string>& wanted,
                       NodeId& first) const {
    bool served = false;
    std::string range;
    std::vector<std::string> tested;
    for (const Condition& condition : query.conditions) {
        if (condition.table != &table || table.column(condition.column) == nullptr ||
            condition.alternative != 0) {
            continue;
        }
        if (condition.test == Test::kOperator || condition.test == Test::kWildcard) {
            served = served || table.has_leading(condition.column, true);
        }
        if (narrows(condition.test) && !condition.insensitive) {
            tested.push_back(condition.column);
        }
        if (!narrows(condition.test) || condition.insensitive ||
            is_boolean(table, condition.column)) {
            continue;
        }
        if (condition.test == Test::kNull && is_soft_delete(condition.column)) {
            continue;
        }
        first = first == kNoNode ? condition.node : first;
        served = served || table.has_leading(condition.column, true);
        if (condition.test == Test::kRange) {
            range = range.empty() ? condition.column : range;
        } else if (std::ranges::find(wanted, condition.column) == wanted.end()) {
            wanted.push_back(condition.column);
        }
    }
    served = served || arms_served(query, table);
    std::vector<std::string> narrow = wanted;
    narrow.push_back(range);
    served = served || table.leads(tested, narrow);
    std::vector<std::string> choices;  // last: few values, each with many rows
    std::erase_if(wanted, [&](const std::string& column) {
        const bool choice =
            table.column(column)->type == TypeClass::kEnum || column.ends_with("type");
        if (choice) {
            choices.push_back(column);
        }
        return choice;
    });
    std::ranges::move(choices, std::back_inserter(wanted));
    wanted.resize(std::min(wanted.size(), kIndexColumnsMax));
    if (!range.empty()) {
        wanted.push_back(range);
    }
    return served;
}

void CodeJudge::check_index(const CodeQuery& query) {
    const Table* table = query.table;
    if (table == nullptr || table->columns.empty() || query.by_unique || query.joined ||
        query.verb == Verb::kCreate || query.verb == Verb::kCreateMany ||
        query.verb == Verb::kUpsert) {
        return;
    }
    // The join with the related rows brings its own key.
    const bool by_relation = std::ranges::any_of(query.filtered, [&](const Relation* relation) {
        return relation->columns.empty() || table->has_leading(relation->columns.front(), true);
    });
    std::vector<std::string> wanted;
    NodeId first = kNoNode;
    if (by_relation || served(query, *table, wanted, first)) {
        return;
    }
    if (first == kNoNode) {
        check_order_index(query);
        return;
    }
    // Half of the rows are older than a day, and what is not in sight may have an index.
    const bool ranges = std::ranges::none_of(query.conditions, [&](const Condition& condition) {
        return condition.table == table && condition.alternative == 0 &&
               condition.test == Test::kEquals;
    });
    const bool few = only_choices(*table, wanted);
    report("missing-index", first,
           {.message = fmt::format("no index of {} starts with {}", table->name,
                                   fmt::join(wanted, " or ")),
            .fix = index_fix(query.orm, *table, wanted),
            .confidence = query.open || few ? "suspected"
                          : ranges          ? "likely"
                                            : "certain",
            .minor = query.open || ranges || few});
}

void CodeJudge::check_order_index(const CodeQuery& query) {
    if (query.order.empty() || !query.limited || query.has_where || query.open ||
        query.order.front().relation ||
        query.table->column(query.order.front().column) == nullptr ||
        query.table->has_leading(query.order.front().column, false)) {
        return;
    }
    std::vector<std::string> columns;
    for (const OrderUse& use : query.order) {
        if (!use.relation) {
            columns.push_back(use.column);
        }
    }
    report("missing-index", query.order.front().node,
           {.message = fmt::format("no index of {} is in the order of {}", query.table->name,
                                   columns.front()),
            .fix = index_fix(query.orm, *query.table, columns)});
}

// What was counted for the statements of this call.
std::optional<Live> CodeJudge::live_of(const CodeQuery& query) const {
    const LiveStats& live = project_.live();
    if (query.table == nullptr || live.empty()) {
        return std::nullopt;
    }
    std::vector<std::string> columns;
    for (const Condition& condition : query.conditions) {
        if (!condition.relation) {
            columns.push_back(condition.column);
        }
    }
    const std::string_view kind = statement_kind(query.verb);
    // Conditions out of sight: its shape would be another statement's.
    const std::string shape =
        query.open ? "" : shape_key(kind, query.table->name, std::move(columns));
    if (query.orm == Orm::kPrisma) {
        const std::string call =
            fmt::format("{}.{}", query.table->model_name(Origin::kPrisma), query.method);
        const std::string start = shape_key(kind, query.table->name, {});
        if (const auto tagged = live.of_call(call, shape, start)) {
            return tagged;
        }
    }
    return shape.empty() ? std::nullopt : live.of_shape(shape);
}

void CodeJudge::add_verdict(const CodeQuery& query, std::size_t first_finding) {
    const Range range = syntax_.range(query.call);
    const Place place = source_.place(range);
    Verdict verdict{.query = std::string(syntax_.text(query.call).substr(0, 1000)),
                    .file = place.file,
                    .line = place.line,
                    .column = place.column};
    verdict.operation = is_write(query.verb)             ? Operation::kWrite
                        : query.verb == Verb::kAggregate ? Operation::kAggregate
                                                         : Operation::kRead;
    verdict.include_depth = query.include_depth;
    verdict.where_count =
        static_cast<int>(query.conditions.size()) + (query.negation != kNoNode ? 1 : 0);
    bool indexed = true;
    for (std::size_t i = first_finding; i < out_.findings.size(); ++i) {
        verdict.add(out_.findings[i]);
        const std::string& name = out_.findings[i].rule;
        indexed = indexed && name != "missing-index" && name != "leading-wildcard" &&
                  name != "non-sargable";
    }
    verdict.indexes_known = query.table != nullptr && !query.table->columns.empty();
    verdict.has_indexes = verdict.indexes_known && indexed;
    constexpr double kRowsUnknown = 10'000;
    constexpr double kRowsByIndex = 100;
    const double rows =
        query.table != nullptr ? query.table->rows.value_or(kRowsUnknown) : kRowsUnknown;
    const bool narrow = query.has_where && verdict.has_indexes;
    verdict.estimated_cost = query.by_unique || is_write(query.verb) ? 1
                             : narrow                                ? std::min(rows, kRowsByIndex)
                                                                     : rows;
    verdict.live = live_of(query);
    out_.verdicts.push_back(std::move(verdict));
}

}  // namespace howdah::insight
