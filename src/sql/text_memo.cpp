#include "sql/text_memo.hpp"

#include <cstring>

namespace howdah::sql {
namespace {

std::uint64_t key_of(std::string_view text) {
    static_assert(TextMemo::kPrefix == 2 * sizeof(std::uint64_t));
    std::uint64_t words[2];
    std::memcpy(words, text.data(), sizeof words);
    std::uint64_t key = words[0] * 0x9e3779b97f4a7c15ULL ^ words[1];
    key = (key ^ key >> 32U) * 0xd6e8feb86659fd93ULL;
    return key ^ key >> 29U;
}

bool is_word(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == '$' || byte >= 128;
}

// A number that touches a word or a dot, or literals that touch each other, may be one token with
// other values.
bool stands_alone(std::string_view text, const Literal& literal, std::size_t after) {
    if (literal.begin <= after || literal.kind == Literal::Kind::kOther) {
        return false;
    }
    const char before = text[literal.begin - 1];
    const char first = text[literal.begin];
    return literal.kind == Literal::Kind::kString ||
           (first >= '0' && first <= '9' && before != '.' && !is_word(before));
}

}  // namespace

TextMemo::TextMemo() : sets_(std::make_unique<std::array<Memo, kWays>[]>(kSets)) {}

const TextMemo::Known* TextMemo::find(std::string_view text, Literals& literals) {
    if (text.size() <= kPrefix || text.size() > kTextMax) {
        return nullptr;
    }
    const std::uint64_t key = key_of(text);
    for (Memo& memo : sets_[key % kSets]) {
        if (memo.key == key && memo.count > 0 && matches(memo, text, literals)) {
            memo.used = true;
            return &memo.known;
        }
    }
    return nullptr;
}

bool TextMemo::matches(const Memo& memo, std::string_view text, Literals& literals) {
    const char* at = text.data();
    const char* const end = at + text.size();
    const char* piece = memo.pieces.data();
    for (std::size_t i = 0; i < memo.count; ++i) {
        const std::size_t bytes = memo.piece_bytes[i];
        if (static_cast<std::size_t>(end - at) <= bytes || std::memcmp(at, piece, bytes) != 0) {
            return false;
        }
        at += bytes;
        piece += bytes;
        const char* const begin = at;
        const bool number = memo.numbers[i] != NumberKind::kNone;
        if (number) {
            const NumberScan scan = scan_number(at, end);
            if (scan.kind != memo.numbers[i] || *begin == '.') {
                return false;
            }
            at = scan.end;
        } else {
            at = *at == '\'' ? scan_string(at, end) : nullptr;
            if (at == nullptr ||
                literal_decides({begin + 1, static_cast<std::size_t>(at - begin - 2)})) {
                return false;
            }
        }
        literals.at[i] = {.begin = static_cast<std::uint32_t>(begin - text.data()),
                          .end = static_cast<std::uint32_t>(at - text.data()),
                          .kind = number ? Literal::Kind::kNumber : Literal::Kind::kString};
    }
    literals.count = memo.count;
    const auto rest = static_cast<std::size_t>(end - at);
    const auto tail = static_cast<std::size_t>(memo.pieces.data() + memo.pieces.size() - piece);
    return rest == tail && std::memcmp(at, piece, tail) == 0;
}

void TextMemo::remember(std::string_view text, const Literals& literals, Known known) {
    if (text.size() > kTextMax || literals.count == 0 || literals.count == Literals::kMax ||
        literals.at[0].begin < kPrefix) {
        return;
    }
    std::size_t after = 0;
    for (std::size_t i = 0; i < literals.count; ++i) {
        const Literal& literal = literals.at[i];
        const std::string_view value = text.substr(literal.begin, literal.end - literal.begin);
        if (!stands_alone(text, literal, after) ||
            (literal.kind == Literal::Kind::kString &&
             literal_decides(value.substr(1, value.size() - 2)))) {
            return;
        }
        after = literal.end;
    }
    const std::uint64_t key = key_of(text);
    std::array<Memo, kWays>& set = sets_[key % kSets];
    Memo* chosen = nullptr;
    for (Memo& memo : set) {
        if (!memo.used) {
            chosen = &memo;
        }
    }
    if (chosen == nullptr) {  // all have been of use: they stay until the next one who asks
        for (Memo& memo : set) {
            memo.used = false;
        }
        return;
    }
    chosen->key = key;
    chosen->known = known;
    chosen->pieces.clear();
    chosen->count = static_cast<std::uint16_t>(literals.count);
    after = 0;
    for (std::size_t i = 0; i < literals.count; ++i) {
        const Literal& literal = literals.at[i];
        chosen->pieces += text.substr(after, literal.begin - after);
        chosen->piece_bytes[i] = static_cast<std::uint16_t>(literal.begin - after);
        chosen->numbers[i] =
            literal.kind == Literal::Kind::kNumber
                ? scan_number(text.data() + literal.begin, text.data() + text.size()).kind
                : NumberKind::kNone;
        after = literal.end;
    }
    chosen->pieces += text.substr(after);
    chosen->used = true;
}

}  // namespace howdah::sql
