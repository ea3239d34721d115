// What callers write into comments: tags that name the caller, and hints for howdah. Pure.
//
// Only comments in front of and behind the statement count (spaces and semicolons may stand
// between), as tools write them there; never one inside. Read from the text's two ends, so the cost
// does not depend on what stands between (about 50 ns without a comment to read).
//
//     /*route='%2Fusers%2F%3Aid',traceparent='00-...-01'*/    sqlcommenter: URL-encoded
//     /*application:shop,controller:cart,action:show*/        Marginalia, pganalyze
//     /* howdah: primary, cache='ttl=300,swr=15' */           hints: key or key=value
//
// Bounds: kCommentsMax comments a side, kTagsMax tags in all, kCommentBytesMax bytes a comment;
// what is beyond is not read. A key given twice counts with its first value. Source:
// google.github.io/sqlcommenter/spec.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::sql {

inline constexpr std::size_t kCommentsMax = 4;
inline constexpr std::size_t kTagsMax = 32;
inline constexpr std::size_t kCommentBytesMax = 4096;

struct Tag {
    std::string key;
    std::string value;  // decoded; "" for a hint without one
    bool operator==(const Tag&) const = default;
};

// In the order of the text.
std::vector<Tag> comment_tags(std::string_view text);
// The items of all `howdah:` comments. Keys in lower case.
std::vector<Tag> comment_hints(std::string_view text);

// The text with each comment as one space and nothing else changed: the part of a cache key that
// two calls with different traceparents share. The text as it is where it cannot be read for sure.
std::string strip_comments(std::string_view text);

}  // namespace howdah::sql
