#include "migrate/lint/observe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "base/clock.hpp"
#include "migrate/lint/rule.hpp"

namespace howdah::migrate::lint {
namespace {

constexpr const char* kRelations =
    "select c.oid::text, n.nspname, c.relname, c.relkind::text, "
    "coalesce(pg_relation_filenode(c.oid), 0)::text, "
    "coalesce(i.indrelid, 0)::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    "left join pg_index i on i.indexrelid = c.oid "
    "where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' "
    "and c.relkind in ('r', 'p', 'm', 'v', 'f', 'i', 'I')";

constexpr const char* kLocks =
    "select relation::text, mode from pg_locks where pid = pg_backend_pid() and granted "
    "and locktype = 'relation' and relation is not null";

constexpr const char* kScans =
    "select relid::text, seq_scan::text from pg_stat_xact_user_tables where seq_scan > 0";

}  // namespace

std::string canonical_name(std::string_view schema, std::string_view name) {
    return schema == "public" ? std::string(name) : std::string(schema) + "." + std::string(name);
}

Result<Observer::Relations> Observer::relations() {
    TRY(const pg::Rows rows, main_.query(kRelations));
    Relations found;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        found[rows.string(i, 0)] = {.name = canonical_name(rows.text(i, 1), rows.text(i, 2)),
                                    .owner = rows.string(i, 5),
                                    .kind = rows.text(i, 3).front(),
                                    .file_node = rows.string(i, 4)};
    }
    return found;
}

Result<std::map<std::string, std::int64_t>> Observer::scans() {
    TRY(const pg::Rows rows, main_.query(kScans));
    std::map<std::string, std::int64_t> found;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        found[rows.string(i, 0)] = rows.integer(i, 1);
    }
    return found;
}

Result<> Observer::compare(const Relations& before, Observation& seen) {
    TRY(const Relations after, relations());
    std::set<std::string> old_files;  // an index may get a new entry and keep its file
    for (const auto& [oid, relation] : before) {
        old_files.insert(relation.file_node);
    }
    for (const auto& [oid, relation] : after) {
        const auto earlier = before.find(oid);
        const bool heap = relation.kind == 'r' || relation.kind == 'm';
        if (heap && earlier != before.end() && earlier->second.file_node != relation.file_node) {
            add_effect(seen.effects, {.table = earlier->second.name, .rewrite = true});
        }
        const auto owner = before.find(relation.owner);
        const bool built = relation.kind == 'i' && owner != before.end() &&
                           !old_files.contains(relation.file_node);
        if (built) {
            add_effect(seen.effects, {.table = owner->second.name, .build = true});
        }
    }
    return {};
}

Result<Observation> Observer::in_transaction(const std::string& statement, bool commit) {
    Observation seen;
    TRY(pg::Transaction transaction, pg::Transaction::begin(main_));
    TRY(const Relations before, relations());
    TRY(const auto scans_before, scans());
    TRY_VOID(main_.execute(statement));
    TRY(const pg::Rows locks, main_.query(kLocks));
    for (std::size_t i = 0; i < locks.size(); ++i) {
        const auto relation = before.find(locks.string(i, 0));
        if (relation == before.end() || relation->second.kind == 'i' ||
            relation->second.kind == 'I') {
            continue;
        }
        add_effect(seen.effects,
                   {.table = relation->second.name, .lock = lock_from_pg_locks(locks.text(i, 1))});
    }
    TRY(const auto scans_after, scans());
    for (const auto& [oid, count] : scans_after) {
        const auto relation = before.find(oid);
        const auto earlier = scans_before.find(oid);
        if (relation != before.end() &&
            count > (earlier == scans_before.end() ? 0 : earlier->second)) {
            add_effect(seen.effects, {.table = relation->second.name, .scan = true});
        }
    }
    TRY_VOID(compare(before, seen));
    if (commit) {
        TRY_VOID(transaction.commit());
    } else {
        TRY_VOID(transaction.rollback());
    }
    return seen;
}

// SHARE UPDATE EXCLUSIVE stands in the way of itself and of everything stronger.
Result<Lock> Observer::held_up(const std::string& statement, const std::string& table) {
    TRY(pg::Transaction block, pg::Transaction::begin(side_));
    TRY_VOID(side_.execute("lock table " + quoted(table) + " in share update exclusive mode"));
    Result<> ran;
    std::jthread runner([&] { ran = main_.execute(statement, {}, pg::Milliseconds(30'000)); });
    const std::string waiting = fmt::format(
        "select mode from pg_locks where pid = {} and not granted and relation = '{}'::regclass",
        main_.backend_pid(), quoted(table));
    const auto deadline = steady_now() + std::chrono::seconds(10);
    Lock lock = Lock::kNone;
    while (lock == Lock::kNone && steady_now() < deadline) {
        auto rows = side_.query(waiting);
        if (!rows) {
            break;
        }
        lock = rows->size() > 0 ? lock_from_pg_locks(rows->text(0, 0)) : Lock::kNone;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    TRY_VOID(block.rollback());
    runner.join();
    TRY_VOID(std::move(ran));
    return lock;
}

}  // namespace howdah::migrate::lint
