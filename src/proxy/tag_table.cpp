#include "proxy/tag_table.hpp"

#include <algorithm>
#include <string>

#include "proxy/salted_hash.hpp"

namespace howdah::proxy {
namespace {

// What names the caller and not the call. Other keys may hold anything: a person's name, a value.
constexpr std::string_view kKept[] = {"action",    "application",  "controller",
                                      "db_driver", "db_framework", "framework",
                                      "job",       "prismaQuery",  "route"};

bool names_no_caller(std::string_view key) {
    return std::ranges::find(kKept, key) == std::end(kKept);
}

}  // namespace

TagTable::Seen TagTable::intern(std::string_view text, std::uint64_t text_id) {
    Known& known = known_[text_id % kKnownMax];
    if (text_id == 0 || known.text_id != text_id ||
        (known.seen.tags_id != 0 && !sets_.contains(known.seen.tags_id))) {
        known = {text_id, read(text)};
    }
    return known.seen;
}

TagTable::Seen TagTable::read(std::string_view text) {
    Seen seen;
    std::vector<sql::Tag> tags = sql::comment_tags(text);
    const auto parent = std::ranges::find(tags, "traceparent", &sql::Tag::key);
    // 00-<32 digits of the trace>-<16 of the caller>-<flags>
    if (parent != tags.end() && parent->value.size() >= 35) {
        seen.trace_id = salted_hash(std::string_view(parent->value).substr(3, 32), salt_);
    }
    std::erase_if(tags, [](const sql::Tag& tag) { return names_no_caller(tag.key); });
    for (sql::Tag& tag : tags) {
        if (tag.key == "prismaQuery") {  // "User.findMany:<the query>"
            tag.value.resize(std::min(tag.value.size(), tag.value.find(':')));
        }
    }
    if (tags.empty()) {
        return seen;
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
        return seen;
    }
    const std::uint64_t id = salted_hash(flat, salt_);
    seen.tags_id = id;
    if (sets_.contains(id)) {
        return seen;
    }
    if (sets_.size() >= kSetsMax) {
        sets_.clear();
    }
    tags.resize(kept);
    sets_.emplace(id, std::move(tags));
    return seen;
}

const std::vector<sql::Tag>* TagTable::find(std::uint64_t id) const {
    const auto found = sets_.find(id);
    return found == sets_.end() ? nullptr : &found->second;
}

}  // namespace howdah::proxy
