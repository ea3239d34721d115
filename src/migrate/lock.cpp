#include "migrate/lock.hpp"

#include <algorithm>
#include <array>

namespace howdah::migrate {
namespace {

struct LockText {
    std::string_view name, pg_locks, blocks;
};

constexpr std::array<LockText, 9> kTexts{{
    {"none", "", "blocks nothing"},
    {"ACCESS SHARE", "AccessShareLock", "blocks only ACCESS EXCLUSIVE"},
    {"ROW SHARE", "RowShareLock", "blocks only schema changes"},
    {"ROW EXCLUSIVE", "RowExclusiveLock", "blocks only schema changes"},
    {"SHARE UPDATE EXCLUSIVE", "ShareUpdateExclusiveLock", "blocks only schema changes and VACUUM"},
    {"SHARE", "ShareLock", "blocks writes"},
    {"SHARE ROW EXCLUSIVE", "ShareRowExclusiveLock", "blocks writes"},
    {"EXCLUSIVE", "ExclusiveLock", "blocks writes"},
    {"ACCESS EXCLUSIVE", "AccessExclusiveLock", "blocks reads and writes"},
}};

}  // namespace

std::string_view lock_name(Lock lock) {
    return kTexts[static_cast<std::size_t>(lock)].name;
}
std::string_view lock_blocks(Lock lock) {
    return kTexts[static_cast<std::size_t>(lock)].blocks;
}

Lock lock_from_pg_locks(std::string_view mode) {
    for (std::size_t i = 1; i < kTexts.size(); ++i) {
        if (kTexts[i].pg_locks == mode) {
            return static_cast<Lock>(i);
        }
    }
    return Lock::kNone;
}

void add_effect(std::vector<TableEffect>& effects, const TableEffect& effect) {
    const auto known = std::ranges::find(effects, effect.table, &TableEffect::table);
    if (known == effects.end()) {
        effects.push_back(effect);
        return;
    }
    known->lock = std::max(known->lock, effect.lock);
    known->second = known->second && effect.second;
    known->scan = known->scan || effect.scan;
    known->build = known->build || effect.build;
    known->rewrite = known->rewrite || effect.rewrite;
}

}  // namespace howdah::migrate
