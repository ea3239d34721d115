#include "server/server_connection.hpp"

#include <atomic>

namespace howdah::server {

PreparedNames::Entry* PreparedNames::use(std::uint64_t id) {
    const auto found = index_.find(id);
    if (found == index_.end()) {
        return nullptr;
    }
    order_.splice(order_.end(), order_, found->second);
    return &*found->second;
}

void PreparedNames::add(std::uint64_t id) {
    if (use(id) == nullptr) {
        order_.push_back({id});
        index_[id] = std::prev(order_.end());
    }
}

void PreparedNames::remove(std::uint64_t id) {
    if (const auto found = index_.find(id); found != index_.end()) {
        order_.erase(found->second);
        index_.erase(found);
    }
}

void PreparedNames::clear() {
    order_.clear();
    index_.clear();
}

std::vector<std::uint64_t> PreparedNames::ids() const {
    std::vector<std::uint64_t> all;
    for (const Entry& entry : order_) {
        all.push_back(entry.id);
    }
    return all;
}

const std::string* ServerConnection::reported_value(std::string_view name) const {
    for (const auto& [key, value] : reported) {
        if (key == name) {
            return &value;
        }
    }
    return nullptr;
}

bool ServerConnection::note_parameter(std::string_view name, std::string_view value) {
    for (auto& [key, old] : reported) {
        if (key == name) {
            if (old == value) {
                return false;
            }
            old = value;
            reported_set = nullptr;
            return true;
        }
    }
    reported.emplace_back(name, value);
    reported_set = nullptr;
    return true;
}

}  // namespace howdah::server
