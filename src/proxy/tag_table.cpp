#include "proxy/tag_table.hpp"

#include <algorithm>
#include <string>

#include "proxy/salted_hash.hpp"

namespace howdah::proxy {
namespace {

bool differs_with_every_call(std::string_view key) {
    return key == "traceparent" || key == "tracestate";
}

}  // namespace

std::uint64_t TagTable::intern(std::string_view text) {
    std::vector<sql::Tag> tags = sql::comment_tags(text);
    std::erase_if(tags, [](const sql::Tag& tag) { return differs_with_every_call(tag.key); });
    if (tags.empty()) {
        return 0;
    }
    std::ranges::sort(tags, {}, &sql::Tag::key);
    std::string flat;
    std::size_t kept = 0;
    for (const sql::Tag& tag : tags) {
        if (flat.size() + tag.key.size() + tag.value.size() + 2 > kSetBytesMax) {
            break;
        }
        flat.append(tag.key).push_back('\0');
        flat.append(tag.value).push_back('\0');
        ++kept;
    }
    if (kept == 0) {
        return 0;
    }
    const std::uint64_t id = salted_hash(flat, salt_);
    if (sets_.contains(id)) {
        return id;
    }
    if (sets_.size() >= kSetsMax) {
        sets_.clear();
    }
    tags.resize(kept);
    sets_.emplace(id, std::move(tags));
    return id;
}

const std::vector<sql::Tag>* TagTable::find(std::uint64_t id) const {
    const auto found = sets_.find(id);
    return found == sets_.end() ? nullptr : &found->second;
}

}  // namespace howdah::proxy
