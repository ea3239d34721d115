// Table locks of PostgreSQL and the work done under them.
// Source: PostgreSQL manual 13.3.1 (Table-Level Locks).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::migrate {

// Weakest first, numbered as LOCK TABLE's mode in the parse tree.
enum class Lock : std::uint8_t {
    kNone,
    kAccessShare,
    kRowShare,
    kRowExclusive,
    kShareUpdateExclusive,
    kShare,
    kShareRowExclusive,
    kExclusive,
    kAccessExclusive,
};

// "ACCESS EXCLUSIVE", as the manual writes it.
std::string_view lock_name(Lock lock);
// "blocks reads and writes", "blocks writes", "blocks nothing an application does", ...
std::string_view lock_blocks(Lock lock);
// The mode of pg_locks ("AccessExclusiveLock"); kNone when unknown.
Lock lock_from_pg_locks(std::string_view mode);

inline bool blocks_writes(Lock lock) {
    return lock >= Lock::kShare;
}
inline bool blocks_reads(Lock lock) {
    return lock == Lock::kAccessExclusive;
}

// What one statement does to one table, view or partition.
struct TableEffect {
    std::string table = {};   // as Schema names it
    Lock lock = Lock::kNone;  // strongest
    bool second = false;      // not the table that the statement names first
    bool scan = false;        // reads all rows
    bool build = false;       // builds an index (reads all rows too)
    bool rewrite = false;     // writes heap and indexes anew
    bool fresh = false;       // nobody uses the table yet

    bool works() const { return !fresh && (scan || build || rewrite); }
};

// Adds to `effects`, joining what is said about the same table.
void add_effect(std::vector<TableEffect>& effects, const TableEffect& effect);

}  // namespace howdah::migrate
