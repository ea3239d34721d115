#include "proxy/client_counts.hpp"

#include "base/assert.hpp"

namespace howdah::proxy {

ClientCounts::Slot& ClientCounts::Slot::operator=(Slot&& other) noexcept {
    if (this != &other) {
        release();
        owner_ = std::exchange(other.owner_, nullptr);
        entry_ = other.entry_;
        kind_ = other.kind_;
    }
    return *this;
}

void ClientCounts::Slot::release() {
    if (owner_ != nullptr) {
        std::exchange(owner_, nullptr)->leave(kind_, entry_->first);
    }
}

int ClientCounts::enter(Kind kind, const std::string& name, Slot& slot) {
    slot.release();
    const std::scoped_lock lock(mutex_);
    const auto entry = counts_[static_cast<std::size_t>(kind)].try_emplace(name, 0).first;
    slot.owner_ = this;
    slot.entry_ = &*entry;
    slot.kind_ = kind;
    return ++entry->second;
}

void ClientCounts::leave(Kind kind, const std::string& name) {
    const std::scoped_lock lock(mutex_);
    Counts& counts = counts_[static_cast<std::size_t>(kind)];
    const auto entry = counts.find(name);
    ASSERT(entry != counts.end() && entry->second > 0);
    if (--entry->second == 0) {
        counts.erase(entry);
    }
}

int ClientCounts::count(Kind kind, std::string_view name) const {
    const std::scoped_lock lock(mutex_);
    const Counts& counts = counts_[static_cast<std::size_t>(kind)];
    const auto entry = counts.find(name);
    return entry == counts.end() ? 0 : entry->second;
}

}  // namespace howdah::proxy
