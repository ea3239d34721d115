// Any bytes through everything in module sql that reads texts from clients. Beyond not crashing:
// where a text parses as it stands, the facts by its shape must be the same; names of prepared
// statements lie inside the text; no literal is left in what redact() and normalize() give.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "sql/comments.hpp"
#include "sql/facts.hpp"
#include "sql/prepared_names.hpp"
#include "sql/redact.hpp"
#include "sql/shape.hpp"
#include "sql/statement_cache.hpp"
#include "sql/text_memo.hpp"
#include "sql/tokens.hpp"

namespace howdah::sql {

inline void check_facts(std::string_view text) {
    static std::vector<char> buffer(StatementCache::kParsedBytesMax + 64);
    const Shape shape = shape_of(text, buffer);
    if (!shape.foldable || !is_readable(text, {})) {
        return;
    }
    const auto by_text = parse_facts(text);
    const auto by_shape = parse_facts(shape.canonical);
    if (!by_text || !by_shape || by_text->literals_decide) {
        return;
    }
    const Statement& a = *by_text->statement;
    const Statement& b = *by_shape->statement;
    const bool same = a.effects == b.effects && a.deferred_effects == b.deferred_effects &&
                      a.kind == b.kind && a.statement_count == b.statement_count &&
                      a.tables_read == b.tables_read && a.tables_written == b.tables_written &&
                      a.functions == b.functions && a.clock_literal == b.clock_literal &&
                      a.has_list == b.has_list && a.params_max == b.params_max;
    // COPY t TO '' is COPY t TO STDOUT in libpg_query's tree, where no name and an empty name are
    // one. The server refuses the empty name; the shape has another.
    if (a.kind == StatementKind::kCopy && text.find("''") != std::string_view::npos) {
        return;
    }
    if (!same) {
        std::fprintf(stderr, "text: %.*s\nshape: %.*s\n%s\n%s\n", static_cast<int>(text.size()),
                     text.data(), static_cast<int>(shape.canonical.size()), shape.canonical.data(),
                     effect_names(a.effects).c_str(), effect_names(b.effects).c_str());
    }
    ASSERT(same);
    // The shape is its own shape.
    const std::string canonical(shape.canonical);
    const Shape again = shape_of(canonical, buffer);
    ASSERT(again.foldable && again.canonical == canonical);
}

inline void check_redaction(std::string_view text) {
    for (const std::string& safe : {redact(text), normalize(text)}) {
        Lexer lexer(safe);
        for (Token token = lexer.next(); token.kind != TokenKind::kEnd; token = lexer.next()) {
            ASSERT(token.kind != TokenKind::kString && token.kind != TokenKind::kNumber);
        }
    }
}

// What the memo recognises has the shape of what it was told.
inline void check_memo(std::string_view text) {
    static std::vector<char> buffer(StatementCache::kParsedBytesMax + 64);
    static TextMemo memo;
    static std::vector<std::string> shapes(4096);  // the last ones; known.generation counts all
    static std::uint32_t count = 0;
    if (!is_readable(text, {})) {
        return;
    }
    Literals literals;
    Literals lexed;
    const Shape shape = shape_of(text, buffer, &lexed);
    if (const TextMemo::Known* known = memo.find(text, literals)) {
        const bool kept = count - known->generation < shapes.size();
        ASSERT(shape.foldable && (!kept || shapes[known->entry] == shape.canonical));
        ASSERT(lexed.count == literals.count);
    } else if (shape.foldable) {
        const std::uint32_t entry = ++count % 4096;
        shapes[entry] = shape.canonical;
        memo.remember(text, lexed, {.entry = entry, .generation = count});
    }
}

inline void check(std::string_view text) {
    static StatementCache cache(64, 64 * 1024, 1);
    const Statement* first = cache.analyze(text);
    ASSERT(!first->has(kUnparsed) || (first->has(kUnknownCode) && first->has(kWrite)));
    ASSERT(!(first->has(kReadOnly) && first->has(kWrite | kUnknownCode | kRowLock)));
    const std::uint32_t effects = first->effects;
    ASSERT(cache.analyze(text)->effects == effects);
    for (const PreparedNameUse& use : prepared_names(text)) {
        const bool named = use.kind != PreparedNameUse::Kind::kDeallocateAll;
        ASSERT((named ? use.begin < use.end : use.begin == use.end) && use.end <= text.size());
        ASSERT(use.body_begin <= use.body_end && use.body_end <= text.size());
    }
    ASSERT(comment_tags(text).size() <= kTagsMax);
    ASSERT(comment_hints(text).size() <= kTagsMax);
    ASSERT(strip_comments(text).size() <= text.size() + 1);
    check_redaction(text);
    check_facts(text);
    check_memo(text);
}

}  // namespace howdah::sql
