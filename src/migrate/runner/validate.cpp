#include "migrate/runner/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "migrate/history/digest.hpp"
#include "migrate/history/host_table.hpp"
#include "migrate/runner/search_path.hpp"

namespace howdah::migrate::runner {
namespace {

constexpr std::size_t kDriftLinesMax = 12;

Finding finding_of(std::string rule, Severity severity, std::string message, std::string fix) {
    Finding finding;
    finding.rule = std::move(rule);
    finding.severity = severity;
    finding.risk = severity == Severity::kError ? Risk::kHigh : Risk::kLow;
    finding.message = std::move(message);
    finding.fix = std::move(fix);
    finding.confidence = "certain";
    return finding;
}

// A table, and the search_path that its name is looked up in.
struct NamedTable {
    std::string name;
    std::string search_path;
    auto operator<=>(const NamedTable&) const = default;
};

struct Expectations {
    std::vector<Change> changes;  // in the order they ran
    std::set<NamedTable> tables;
    std::set<NamedTable> analyze;
};

void expect(Expectations& all, const Step& step, const Change& change) {
    all.changes.push_back(change);
    if (change.kind == ChangeKind::kCreateIndex || step.kind == StepKind::kBackfill) {
        all.analyze.insert({change.relation, change.search_path});
    }
    const bool on_table =
        change.kind == ChangeKind::kCreateTable || change.kind == ChangeKind::kCreateIndex ||
        change.kind == ChangeKind::kAddConstraint || change.kind == ChangeKind::kValidate ||
        change.kind == ChangeKind::kAddColumn;
    if (on_table) {
        all.tables.insert({change.relation, change.search_path});
    }
}

Expectations expectations_of(const std::vector<PlannedMigration>& ran) {
    Expectations all;
    for (const PlannedMigration& planned : ran) {
        for (const Step& step : planned.steps) {
            for (const Statement& statement : step.statements) {
                for (const Change& change : statement.facts.changes) {
                    expect(all, step, change);
                }
            }
        }
    }
    return all;
}

// Whether a later change may have taken the object away again or renamed it.
bool changed_later(const Expectations& all, std::size_t at) {
    const Change& made = all.changes[at];
    return std::any_of(
        all.changes.begin() + static_cast<std::ptrdiff_t>(at) + 1, all.changes.end(),
        [&](const Change& later) {
            const bool drops =
                later.kind == ChangeKind::kDropTable || later.kind == ChangeKind::kDropIndex ||
                later.kind == ChangeKind::kDropSchema || later.kind == ChangeKind::kOther;
            const bool same = later.relation == made.relation || later.relation == made.name ||
                              later.relation.empty() || later.kind == ChangeKind::kDropSchema;
            const bool takes = !later.takes_index.empty() && made.name.ends_with(later.takes_index);
            return (drops && same) || takes;
        });
}

Result<> check_object(pg::Connection& db, const Change& change, std::vector<Finding>& findings) {
    const SearchPath path(db, change.search_path);
    const bool index = change.kind == ChangeKind::kCreateIndex;
    const bool relation = change.kind == ChangeKind::kCreateTable ||
                          change.kind == ChangeKind::kCreateView ||
                          change.kind == ChangeKind::kCreateSequence;
    if (relation) {
        TRY(const pg::Rows rows, db.query("select to_regclass($1)", {change.relation}));
        if (rows.is_null(0, 0)) {
            findings.push_back(finding_of("object-missing", Severity::kError,
                                          change.relation + " is not there after the run", ""));
        }
    } else if (index && !change.name.empty()) {
        TRY(const pg::Rows rows,
            db.query("select i.indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid "
                     "where i.indrelid = to_regclass($1) and c.relname = (parse_ident($2))[array_"
                     "length(parse_ident($2), 1)]",
                     {change.relation, change.name}));
        if (rows.size() == 0) {
            findings.push_back(
                finding_of("object-missing", Severity::kError,
                           fmt::format("index {} is not there after the run", change.name), ""));
        }
    }
    return {};
}

Result<> check_table(pg::Connection& db, const std::string& table, std::vector<Finding>& findings) {
    TRY(const pg::Rows invalid,
        db.query("select indexrelid::regclass, c.relkind from pg_index i join pg_class c on c.oid "
                 "= i.indrelid where i.indrelid = to_regclass($1) and not i.indisvalid",
                 {table}));
    for (std::size_t i = 0; i < invalid.size(); ++i) {
        const bool parent = invalid.text(i, 1) == "p";  // ON ONLY: valid once all are attached
        findings.push_back(finding_of(
            "invalid-index", parent ? Severity::kWarning : Severity::kError,
            fmt::format("index {} on {} is invalid: no query uses it, every write maintains it",
                        invalid.text(i, 0), table),
            parent ? "ALTER INDEX ... ATTACH PARTITION for every partition"
                   : fmt::format("DROP INDEX CONCURRENTLY {0}; and build it again, or REINDEX "
                                 "INDEX CONCURRENTLY {0};",
                                 invalid.text(i, 0))));
    }
    TRY(const pg::Rows open,
        db.query("select quote_ident(conname) from pg_constraint where conrelid = to_regclass($1) "
                 "and not convalidated order by 1",
                 {table}));
    for (std::size_t i = 0; i < open.size(); ++i) {
        findings.push_back(finding_of(
            "constraint-not-validated", Severity::kInfo,
            fmt::format("constraint {} on {} is NOT VALID: rows older than it were never checked",
                        open.text(i, 0), table),
            fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {};", table, open.text(i, 0))));
    }
    return {};
}

Result<> analyze_tables(pg::Connection& db, const std::set<NamedTable>& tables,
                        std::vector<Finding>& findings) {
    for (const auto& [table, search_path] : tables) {
        const SearchPath path(db, search_path);
        TRY(const pg::Rows rows, db.query("select to_regclass($1)", {table}));
        if (rows.is_null(0, 0)) {
            continue;
        }
        TRY_VOID(db.execute("set lock_timeout = 5000"));
        const auto done = db.execute("analyze " + table, {}, pg::kNoDeadline);
        (void)db.execute("reset lock_timeout");
        if (!done) {
            findings.push_back(
                finding_of("not-analyzed", Severity::kWarning,
                           fmt::format("ANALYZE {}: {}", table, done.error().message),
                           fmt::format("ANALYZE {};", table)));
        }
    }
    return {};
}

// One line per object; what differs between two of these differs for an application.
constexpr const char* kListing = R"(
with ns as (
  select oid, quote_ident(nspname) as n from pg_namespace
  where nspname !~ '^pg_' and nspname not in ('information_schema', 'howdah')),
own as (select objid, classid from pg_depend where deptype = 'e'),
rel as (
  select c.*, ns.n || '.' || quote_ident(c.relname) as full_name from pg_class c
  join ns on ns.oid = c.relnamespace
  where not exists (select from own where objid = c.oid and classid = 'pg_class'::regclass)
    and ns.n || '.' || c.relname <> $1),
lines as (
  select case relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view'
         when 'm' then 'materialized view' when 'S' then 'sequence' else 'foreign table' end
         || ' ' || full_name || case when relrowsecurity then ' rls' else '' end
         || case when relpersistence = 'u' then ' unlogged' else '' end as line
    from rel where relkind in ('r', 'p', 'v', 'm', 'S', 'f') and full_name not in (
      select pg_get_serial_sequence($1, 'id') where to_regclass($1) is not null
        and exists (select from pg_attribute where attrelid = to_regclass($1) and attname = 'id'))
  union all select 'column ' || full_name || '.' || quote_ident(attname) || ' '
         || format_type(atttypid, atttypmod) || case when attnotnull then ' not null' else '' end
         || coalesce(case when attgenerated = '' then ' default ' else ' generated ' end
                     || pg_get_expr(adbin, adrelid), '')
         || case when attidentity <> '' then ' identity ' || attidentity::text else '' end
    from rel join pg_attribute a on a.attrelid = rel.oid and attnum > 0 and not attisdropped
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where relkind in ('r', 'p', 'f', 'm', 'v')
  union all select 'constraint ' || full_name || ' ' || quote_ident(conname) || ' '
         || pg_get_constraintdef(k.oid) from rel join pg_constraint k on k.conrelid = rel.oid
  union all select 'index ' || pg_get_indexdef(indexrelid)
         || case when indisvalid then '' else ' INVALID' end
    from rel join pg_index i on i.indrelid = rel.oid
  union all select 'view text ' || full_name || ' ' || md5(pg_get_viewdef(oid))
    from rel where relkind in ('v', 'm')
  union all select 'trigger ' || pg_get_triggerdef(t.oid) || ' ' || tgenabled::text
    from rel join pg_trigger t on t.tgrelid = rel.oid and not tgisinternal
  union all select 'policy ' || full_name || ' ' || quote_ident(polname) || ' ' || polcmd::text
         || coalesce(' using ' || pg_get_expr(polqual, polrelid), '')
         || coalesce(' check ' || pg_get_expr(polwithcheck, polrelid), '')
    from rel join pg_policy p on p.polrelid = rel.oid
  union all select 'function ' || ns.n || '.' || quote_ident(proname) || '('
         || pg_get_function_identity_arguments(p.oid) || ') ' || md5(prosrc || coalesce(
            prosqlbody::text, '')) || ' ' || provolatile::text
    from pg_proc p join ns on ns.oid = p.pronamespace
    where not exists (select from own where objid = p.oid and classid = 'pg_proc'::regclass)
  union all select 'enum ' || ns.n || '.' || quote_ident(typname) || ' (' || string_agg(
            quote_literal(enumlabel), ', ' order by enumsortorder) || ')'
    from pg_type t join ns on ns.oid = t.typnamespace join pg_enum e on e.enumtypid = t.oid
    group by ns.n, typname
  union all select 'domain ' || ns.n || '.' || quote_ident(typname) || ' '
         || format_type(typbasetype, typtypmod) || case when typnotnull then ' not null' else '' end
    from pg_type t join ns on ns.oid = t.typnamespace where typtype = 'd'
)
select coalesce(string_agg(line, E'\n' order by line collate "C"), '') from lines)";

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

}  // namespace

Result<std::vector<Finding>> validate_run(pg::Connection& db,
                                          const std::vector<PlannedMigration>& ran) {
    const Expectations all = expectations_of(ran);
    std::vector<Finding> findings;
    for (std::size_t i = 0; i < all.changes.size(); ++i) {
        if (!changed_later(all, i)) {
            TRY_VOID(check_object(db, all.changes[i], findings));
        }
    }
    for (const NamedTable& table : all.tables) {
        const SearchPath path(db, table.search_path);
        TRY_VOID(check_table(db, table.name, findings));
    }
    TRY_VOID(analyze_tables(db, all.analyze, findings));
    return findings;
}

Result<SchemaState> schema_state(pg::Connection& db, const std::string& host_table) {
    TRY(const pg::Transaction reading,
        pg::Transaction::begin(db, "begin read only; set local search_path = ''"));
    TRY(const pg::Rows rows, db.query(kListing, {host_table}));
    SchemaState state{.listing = rows.string(0, 0), .hash = {}};
    state.hash = sha256_hex(state.listing);
    return state;
}

Result<> record_schema(pg::Connection& db, const std::string& host_table,
                       const std::string& applied) {
    TRY(const SchemaState state, schema_state(db, host_table));
    return db.execute(
        "insert into howdah.schema_state (host_table, hash, listing, applied) values ($1, $2, $3, "
        "$4) on conflict (host_table) do update set hash = excluded.hash, listing = "
        "excluded.listing, applied = excluded.applied, recorded_at = clock_timestamp()",
        {host_table, state.hash, state.listing, applied});
}

std::vector<std::string> line_differences(std::string_view before, std::string_view after) {
    const std::vector<std::string_view> old_lines = lines_of(before);
    const std::vector<std::string_view> new_lines = lines_of(after);
    std::vector<std::string> differences;
    std::size_t a = 0;
    std::size_t b = 0;
    while (a < old_lines.size() || b < new_lines.size()) {
        const bool only_old =
            b == new_lines.size() || (a < old_lines.size() && old_lines[a] < new_lines[b]);
        const bool only_new = !only_old && (a == old_lines.size() || new_lines[b] < old_lines[a]);
        if (only_old) {
            differences.push_back(fmt::format("- {}", old_lines[a++]));
        } else if (only_new) {
            differences.push_back(fmt::format("+ {}", new_lines[b++]));
        } else {
            ++a;
            ++b;
        }
    }
    return differences;
}

Result<std::vector<Finding>> find_drift(pg::Connection& db, const std::string& host_table,
                                        const std::string& applied) {
    std::vector<Finding> findings;
    TRY(const bool there, relation_exists(db, kLedgerSchema, "schema_state"));
    if (!there) {
        return findings;
    }
    TRY(const pg::Rows rows,
        db.query("select hash, listing, applied from howdah.schema_state where "
                 "host_table = $1",
                 {host_table}));
    if (rows.size() == 0 || rows.text(0, 2) != applied) {
        return findings;  // another tool has migrated since: the change is explained
    }
    TRY(const SchemaState now, schema_state(db, host_table));
    if (now.hash == rows.text(0, 0)) {
        return findings;
    }
    const std::vector<std::string> lines = line_differences(rows.text(0, 1), now.listing);
    Finding finding = finding_of(
        "schema-drift", Severity::kWarning,
        fmt::format("the schema changed outside of migrations since the last run ({} lines)",
                    lines.size()),
        "put the change into a migration, or take it back");
    finding.risk = Risk::kMedium;
    for (std::size_t i = 0; i < std::min(lines.size(), kDriftLinesMax); ++i) {
        finding.evidence += (i == 0 ? "" : "\n") + lines[i];
    }
    findings.push_back(std::move(finding));
    return findings;
}

}  // namespace howdah::migrate::runner
