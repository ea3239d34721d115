// Order of a split migration: what earlier statements have put off, and who may not overtake it.
//
// A split sorts statements by phase within a round; a statement that relies on something that was
// put off to a later phase begins a new round, so that it still comes after it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "migrate/action.hpp"
#include "migrate/schema.hpp"

namespace howdah::migrate::lint {

enum PutOff : std::uint32_t {
    kIndexLater = 1U << 0,
    kKeyLater = 1U << 1,      // UNIQUE, PRIMARY KEY
    kRowsLater = 1U << 2,     // rows are changed
    kNotNullLater = 1U << 3,  // SET NOT NULL, CHECK, foreign keys: validated later
};

class Deferred {
  public:
    void put_off(const std::string& table, std::uint32_t what) { tables_[table] |= what; }
    void clear() { tables_.clear(); }
    // Whether `action` relies on, or would change, what was put off.
    bool comes_before(const Action& action) const;

  private:
    std::uint32_t on(const std::string& table) const;
    std::uint32_t on_all(const Action& action) const;

    std::map<std::string, std::uint32_t> tables_;
};

// Adds a UNIQUE or PRIMARY KEY whose index can be built ahead: not of a partitioned table.
bool adds_key(const Action& action, const Schema& schema);
// Drops one, or a constraint that nobody knows.
bool drops_key(const Action& action, const Schema& schema);

}  // namespace howdah::migrate::lint
