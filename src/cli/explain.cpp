#include "cli/explain.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pg/conninfo.hpp"
#include "sql/names.hpp"
#include "sql/statement_cache.hpp"

namespace howdah::cli {

namespace live = insight::live;
using namespace std::chrono_literals;

namespace {

constexpr auto kConnectMax = 2000ms;
constexpr double kRowsMin = 1000;   // of a table whose reading whole is worth a word
constexpr double kFewOfThem = 0.1;  // what an index is good for
constexpr std::size_t kScansMax = 4;

constexpr const char* kBegin =
    "begin read only; set local statement_timeout = '2s'; set local lock_timeout = '200ms'; "
    "set local plan_cache_mode = force_generic_plan";

// For each column: the table's rows, whether a whole index begins with the column, whether a
// partial one begins with it or asks for it, and how many different values it has.
constexpr const char* kColumns = R"(
select a.attname, c.reltuples,
       exists (select from pg_index i where i.indrelid = c.oid and i.indisvalid
               and i.indpred is null and i.indkey[0] = a.attnum),
       exists (select from pg_index i where i.indrelid = c.oid and i.indisvalid
               and i.indpred is not null
               and (i.indkey[0] = a.attnum
                    or strpos(pg_get_expr(i.indpred, i.indrelid), a.attname) > 0)),
       coalesce((select case when s.n_distinct < 0 then -s.n_distinct * c.reltuples
                             else s.n_distinct end
                 from pg_stats s where s.schemaname = n.nspname and s.tablename = c.relname
                 and s.attname = a.attname and not s.inherited), 0) as different
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid
where n.nspname = $1 and c.relname = $2 and a.attname = any($3::text[])
order by different desc, a.attname)";

constexpr std::size_t kRelationsMax = 5000;

// All relations of these names, in whatever schema where none is given; behind views what they
// read, beside tables what they inherit from or what inherits from them, and tables from whose rows
// a foreign key passes deletions or new keys on.
constexpr const char* kRelations = R"(
with recursive wanted(schema, name) as (select * from unnest($1::text[], $2::text[])),
reached(oid) as (
    select c.oid from wanted w join pg_class c on c.relname = w.name
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_toast'
    and (w.schema = '' or n.nspname = w.schema)
    union
    select next.oid from reached
    cross join lateral (
        select d.refobjid as oid from pg_class v join pg_rewrite r on r.ev_class = v.oid
        join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
        and d.refclassid = 'pg_class'::regclass
        where v.oid = reached.oid and v.relkind <> 'm'
        union all select inhparent from pg_inherits where inhrelid = reached.oid
        union all select inhrelid from pg_inherits where inhparent = reached.oid
        union all select confrelid from pg_constraint
        where conrelid = reached.oid and contype = 'f'
        and (confdeltype in ('c', 'n', 'd') or confupdtype in ('c', 'n', 'd'))) next)
select n.nspname, c.relname, c.relkind,
       case c.relkind when 'v' then pg_get_viewdef(c.oid) else '' end, c.relrowsecurity
from reached join pg_class c on c.oid = reached.oid
join pg_namespace n on n.oid = c.relnamespace limit 5001)";

std::string as_array(const std::vector<std::string>& names) {
    std::string array;
    for (const std::string& name : names) {
        array += array.empty() ? "{\"" : ",\"";
        for (const char c : name) {
            array += c == '"' || c == '\\' ? fmt::format("\\{}", c) : std::string(1, c);
        }
        array += '"';
    }
    return array + "}";
}

std::string table_in_sql(const std::string& schema, const std::string& table) {
    const bool usual = schema.empty() || schema == "public";
    return (usual ? "" : sql::name_in_sql(schema) + ".") + sql::name_in_sql(table);
}

}  // namespace

Result<Explainer> Explainer::connect(const std::string& conninfo, const std::string& database) {
    pg::Target target;
    TRY(target.conninfo, pg::with_database(conninfo, database));
    target.application_name = "howdah slow_query_explain";
    target.connect_ms_max = kConnectMax;
    TRY(pg::Connection connection, pg::Connection::connect(target));
    return Explainer(std::move(connection));
}

Result<live::Plan> Explainer::ask(const sql::Statement& statement) {
    TRY_VOID(connection_.execute("prepare howdah_slow as " + statement.normalized));
    TRY(const pg::Rows count,
        connection_.query("select cardinality(parameter_types) from pg_prepared_statements "
                          "where name = 'howdah_slow'"));
    std::string nulls;
    for (std::int64_t i = 0; i < (count.size() == 0 ? 0 : count.integer(0, 0)); ++i) {
        nulls += i == 0 ? "(null" : ", null";
    }
    nulls += nulls.empty() ? "" : ")";
    TRY(const pg::Rows rows,
        connection_.query("explain (verbose, format json) execute howdah_slow" + nulls));
    return live::read_plan(rows.size() == 0 ? std::string_view() : rows.text(0, 0));
}

Result<live::Plan> Explainer::plan_of(const sql::Statement& statement) {
    TRY_VOID(connection_.execute(kBegin));
    auto plan = ask(statement);
    if (!plan) {
        return fail(
            Error(plan.error().code, plan.error().sqlstate, "SQLSTATE " + plan.error().sqlstate));
    }
    return plan;
}

Result<> Explainer::look_up(const live::FullScan& scan, live::PlanEvidence& evidence) {
    TRY(const pg::Rows columns,
        connection_.query(kColumns, {scan.schema, scan.table, as_array(scan.columns)}));
    bool has_index = false;
    bool has_partial = false;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        has_index = has_index || columns.boolean(i, 2);
        has_partial = has_partial || columns.boolean(i, 3);
    }
    // reltuples is -1 where nobody has counted yet.
    const double rows = columns.size() == 0 ? 0 : columns.number(0, 1);
    if (has_index || rows < kRowsMin || scan.rows_out > kFewOfThem * rows) {
        return {};
    }
    evidence.missing = true;
    evidence.partial_index = has_partial;
    evidence.table = table_in_sql(scan.schema, scan.table);
    evidence.column = sql::name_in_sql(columns.string(0, 0));
    evidence.rows_read = rows;
    evidence.rows_out = scan.rows_out;
    return {};
}

Result<live::ReadRelations> Explainer::relations_of(const sql::Statement& statement) {
    std::vector<std::string> schemas;
    std::vector<std::string> names;
    for (const sql::Name& table : statement.tables_read) {
        schemas.push_back(table.schema);
        names.push_back(table.name);
    }
    TRY_VOID(connection_.execute(kBegin));
    TRY(const pg::Rows rows, connection_.query(kRelations, {as_array(schemas), as_array(names)}));
    live::ReadRelations relations;
    relations.known = rows.size() <= kRelationsMax;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::string_view kind = rows.text(i, 2);
        relations.tables.push_back(rows.string(i, 1));
        if (kind == "f" || rows.boolean(i, 4)) {  // with policies it depends on who asks
            relations.changes_unseen = true;
        } else if (kind == "v") {
            const sql::StatementRef view = sql::analyze(rows.text(i, 3));
            relations.changes_unseen = relations.changes_unseen || !view->has(sql::kReadOnly) ||
                                       view->has(sql::kVolatile) || view->clock_literal;
        }
    }
    for (const sql::Name& table : statement.tables_read) {
        bool found = false;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            found = found || (rows.text(i, 1) == table.name &&
                              (table.schema.empty() || rows.text(i, 0) == table.schema));
        }
        relations.known = relations.known && found;
    }
    return relations;
}

Result<live::PlanEvidence> Explainer::evidence_of(const sql::Statement& statement) {
    TRY(const live::Plan plan, plan_of(statement));
    live::PlanEvidence evidence;
    evidence.known = !plan.text.empty();
    evidence.plan = plan.text;
    for (std::size_t i = 0; i < std::min(plan.full_scans.size(), kScansMax); ++i) {
        if (!evidence.missing && !plan.full_scans[i].columns.empty()) {
            TRY_VOID(look_up(plan.full_scans[i], evidence));
        }
    }
    return evidence;
}

}  // namespace howdah::cli
