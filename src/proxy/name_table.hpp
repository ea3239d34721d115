// NameTable: names <-> small numbers, for the whole process, so that a QueryEvent carries a number.
// Any thread; behind a lock that is taken at login and by readers, never on the query path.
//
// Bounded: names that clients choose are not believed to be few. What comes after `names_max` gets
// kOther.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace howdah::proxy {

class NameTable {
  public:
    static constexpr std::uint32_t kNone = 0;   // ""
    static constexpr std::uint32_t kOther = 1;  // there was no room

    explicit NameTable(std::size_t names_max) : names_max_(names_max), names_{"", "(other)"} {}

    std::uint32_t intern(std::string_view name) {
        if (name.empty()) {
            return kNone;
        }
        const std::scoped_lock lock(mutex_);
        const auto found = ids_.find(std::string(name));
        if (found != ids_.end()) {
            return found->second;
        }
        if (ids_.size() >= names_max_) {
            return kOther;
        }
        const auto id = static_cast<std::uint32_t>(names_.size());
        names_.emplace_back(name);
        ids_.emplace(name, id);
        return id;
    }

    // "" for a number that nobody was given.
    [[nodiscard]] std::string text(std::uint32_t id) const {
        const std::scoped_lock lock(mutex_);
        return id < names_.size() ? names_[id] : std::string();
    }

  private:
    const std::size_t names_max_;
    mutable std::mutex mutex_;
    std::vector<std::string> names_;
    std::unordered_map<std::string, std::uint32_t> ids_;
};

}  // namespace howdah::proxy
