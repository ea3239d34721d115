// Rules without a check of their own: what the reader, the history and the live database find.
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {

const Rule rule_syntax_error{
    .name = "syntax-error",
    .title = "PostgreSQL's parser refuses the statement.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why =
        "It fails when it runs. Only this statement is left out of the judgement; all others are "
        "read.",
    .fix = "Correct the statement. Syntax newer than PostgreSQL 15's is not known to this parser.",
    .flagged = "CREATE TABEL t (a int);",
    .clean = "CREATE TABLE t (a int);"};

const Rule rule_unused_suppression{
    .name = "unused-suppression",
    .title = "A suppression that suppresses nothing.",
    .severity = Severity::kWarning,
    .risk = Risk::kLow,
    .why =
        "It was for something that is gone, or names a rule that does not exist; it would hide the "
        "next finding unseen.",
    .fix = "Remove the comment.",
    .flagged = "SELECT 1; -- howdah-ignore drop-table -- no longer needed",
    .clean = "SELECT 1;"};

const Rule rule_suppression_without_reason{
    .name = "suppression-without-reason",
    .title = "A suppression that does not say why.",
    .severity = Severity::kWarning,
    .risk = Risk::kLow,
    .why = "The next reader cannot know whether it still holds. (Only with require_reason.)",
    .fix = "-- howdah-ignore rule -- the reason",
    .flagged = "DROP TABLE t; -- howdah-ignore drop-table",
    .clean = "DROP TABLE t; -- howdah-ignore drop-table -- unused since 3.2",
    .on = false};

const Rule rule_lock_order_differs{
    .name = "lock-order-differs",
    .title = "Two transactions lock the same tables in opposite order.",
    .severity = Severity::kWarning,
    .risk = Risk::kLow,
    .why =
        "Each may hold what the other waits for: two deploys at once, or the application with the "
        "order that one of them has, end in a deadlock, and one of them is rolled back.",
    .fix = "Lock tables in one order everywhere, or one table a transaction.",
    .flagged =
        "BEGIN; ALTER TABLE a ADD x int; ALTER TABLE b ADD x int; COMMIT; BEGIN; ALTER TABLE b ADD "
        "y int; ALTER TABLE a ADD y int; COMMIT;",
    .clean = "both transactions: a, then b"};

const Rule rule_history_entry_skipped{
    .name = "history-entry-skipped",
    .title = "The tool will skip this migration silently.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why =
        "Drizzle 0.x runs only entries whose `when` is later than the last one applied. An entry "
        "merged late, with an earlier `when` than one before it in the journal, never runs on a "
        "database that has seen the other: no error, no table.",
    .fix = "Set its `when` in meta/_journal.json after the last one, or generate it again.",
    .flagged = "{\"when\": 1700000000000} behind {\"when\": 1700000900000}",
    .clean = "{\"when\": 1700000900001} behind {\"when\": 1700000900000}"};

const Rule rule_history_file_missing{
    .name = "history-file-missing",
    .title = "The history lists a migration whose file is not there.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why = "The tool stops there (or every new database ends up different).",
    .fix = "Bring the file back from version control, or take the entry out of the journal.",
    .flagged = "meta/_journal.json names 0003_x; there is no 0003_x.sql",
    .clean = "0003_x.sql stands beside the journal"};

const Rule rule_history_file_not_listed{
    .name = "history-file-not-listed",
    .title = "A migration file that the journal does not list.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why = "The tool reads the journal, not the folder: this file never runs.",
    .fix = "Add it to meta/_journal.json (drizzle-kit generate does), or remove it.",
    .flagged = "0004_x.sql without an entry",
    .clean = "an entry with the tag 0004_x"};

const Rule rule_history_duplicate_version{.name = "history-duplicate-version",
                                          .title = "Two migrations have the same version.",
                                          .severity = Severity::kError,
                                          .risk = Risk::kHigh,
                                          .why = "The tool refuses, or runs one of them only.",
                                          .fix = "Give the later one a new version.",
                                          .flagged = "V3__a.sql and V3__b.sql",
                                          .clean = "V3__a.sql and V4__b.sql"};

const Rule rule_history_provider_mismatch{
    .name = "history-provider-mismatch",
    .title = "The migrations are for another database.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why = "migration_lock.toml or the journal names a provider that is not PostgreSQL.",
    .fix = "Point the linter at the PostgreSQL migrations.",
    .flagged = "provider = \"mysql\"",
    .clean = "provider = \"postgresql\""};

const Rule rule_history_broken_journal{
    .name = "history-broken-journal",
    .title = "The tool's journal cannot be read.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why = "The tool will stop on it; the order of the files is then only a guess by name.",
    .fix = "Bring it back from version control (a merge conflict, often).",
    .flagged = "<<<<<<< HEAD in meta/_journal.json",
    .clean = "valid JSON"};

const Rule rule_history_edited_file{
    .name = "history-edited-file",
    .title = "An applied migration was edited.",
    .severity = Severity::kError,
    .risk = Risk::kMedium,
    .why =
        "What ran on this database is not what the file says now: new databases will differ. "
        "(Needs --database; graphile-migrate's files carry their hash themselves.)",
    .fix = "Bring the old text back and put the change into a new migration.",
    .flagged = "the recorded checksum differs from the file's",
    .clean = "a new migration"};

const Rule rule_history_two_heads{
    .name = "history-two-heads",
    .title = "Two migrations follow the same one.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "Two branches were merged: both snapshots (or `Previous` lines) name the same predecessor, "
        "so the next generated migration starts from only one of them.",
    .fix = "Generate the later one again on top of the other.",
    .flagged = "0004_snapshot.json and 0005_snapshot.json with one prevId",
    .clean = "each snapshot's prevId is the id of the one before"};

const Rule rule_dropped_column_still_read{
    .name = "dropped-column-still-read",
    .title = "Live queries still use what the migration takes away.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why =
        "Texts in pg_stat_statements, or queries that a running howdah has seen, name the table "
        "and "
        "the column. (Needs --database or --stats.)",
    .fix = "Move those queries first.",
    .flagged = "ALTER TABLE users DROP COLUMN mail; -- SELECT mail FROM users ran 1,200 times",
    .clean = "drop it when no query names it",
    .live = true};

const Rule rule_dropped_index_still_scanned{
    .name = "dropped-index-still-scanned",
    .title = "The dropped index is in use.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "pg_stat_user_indexes counts scans of it since the statistics began. (Needs --database.)",
    .fix = "Find the queries that use it first; another index may serve them.",
    .flagged = "DROP INDEX CONCURRENTLY orders_customer_idx; -- scanned 84,000 times",
    .clean = "drop an index with no scans",
    .live = true};

const Rule rule_data_breaks_constraint{
    .name = "data-breaks-constraint",
    .title = "Rows in the database break the new constraint.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why = "The statement will fail on them. (Needs --database.)",
    .fix = "Correct or remove the rows first.",
    .flagged = "ALTER TABLE users ALTER email SET NOT NULL; -- 12 rows are NULL",
    .clean = "UPDATE users SET email = ... WHERE email IS NULL",
    .live = true};

const Rule rule_not_enough_disk{
    .name = "rewrite-needs-disk",
    .title = "The rewrite needs much disk.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "A rewrite keeps the old heap and indexes until it commits: twice the size, and as much "
        "WAL "
        "for the replicas. (Needs --database.)",
    .fix = "Check free space on server and replicas, or backfill in batches.",
    .flagged = "ALTER TABLE events ALTER id TYPE bigint; -- 210 GB",
    .clean = "a new column and a batched backfill",
    .live = true};

}  // namespace howdah::migrate::lint
