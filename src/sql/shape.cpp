#include "sql/shape.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "sql/byte_class.hpp"

namespace howdah::sql {
namespace {

// What a byte of an identifier becomes in lower case; 0 = it ends the identifier.
constexpr std::array<char, 256> kWordLower = [] {
    std::array<char, 256> lower{};
    for (std::size_t c = 0; c < 256; ++c) {
        if (kClasses[c] == kLetter || kClasses[c] == kDigit || c == '$') {
            lower[c] = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
    }
    return lower;
}();

// One pass over one text. `in_` runs from begin to end_, `out_` from out_begin_ to out_end_, which
// leaves room for any token that is not copied from the text.
class ShapeWriter {
  public:
    ShapeWriter(std::string_view text, std::span<char> out, Literals* literals)
        : begin_(text.data()),
          in_(text.data()),
          end_(text.data() + text.size()),
          out_(out.data()),
          out_begin_(out.data()),
          out_end_(out.data() + out.size() - kSlack),
          literals_(literals) {}

    Shape run();

    static constexpr std::size_t kSlack = 32;

  private:
    enum class Last : std::uint8_t { kNone, kString, kWordIn, kWordValues, kRow, kOtherToken };

    bool step();
    void word();
    bool word_or_prefixed();
    bool string(std::string_view folded);
    bool escape_string();
    bool quoted_word();
    bool number();
    bool dollar();
    bool dollar_quoted();
    bool operator_or_comment();
    bool block_comment();
    void self();
    void close_parenthesis();
    void dot();
    void colon();

    char peek(std::ptrdiff_t ahead) const { return end_ - in_ > ahead ? in_[ahead] : '\0'; }
    std::string_view written() const {
        return {out_begin_, static_cast<std::size_t>(out_ - out_begin_)};
    }
    bool copy(const char* from, const char* to);
    void literal(std::string_view folded);
    void shrink_list();
    // Whatever is neither literal nor comma nor comment ends what may shrink.
    void end_list() {
        list_open_ = false;
        list_ = nullptr;
    }
    bool string_literal(const char* begin, std::string_view value, std::string_view folded);

    // The literal from `begin` to here.
    void note_literal(const char* begin, Literal::Kind kind) {
        if (literals_ != nullptr && literals_->count < Literals::kMax) {
            literals_->at[literals_->count++] = {
                .begin = static_cast<std::uint32_t>(begin - begin_),
                .end = static_cast<std::uint32_t>(in_ - begin_),
                .kind = kind};
        }
    }

    const char* begin_;
    const char* in_;
    const char* end_;
    char* out_;
    char* out_begin_;
    char* out_end_;
    Literals* literals_;
    Last last_ = Last::kNone;
    bool has_comments_ = false;
    char* list_ = nullptr;    // where an IN list begins, while only literals stand in it
    bool list_open_ = false;  // "in (" just read
    // VALUES (...), (...): the row being written and the one before; depth of parentheses in it.
    char* row_ = nullptr;
    char* row_before_ = nullptr;
    char* row_before_end_ = nullptr;
    std::uint32_t row_depth_ = 0;
};

bool ShapeWriter::copy(const char* from, const char* to) {
    const auto size = static_cast<std::size_t>(to - from);
    if (size > static_cast<std::size_t>(out_end_ - out_)) {
        return false;
    }
    std::memcpy(out_, from, size);
    out_ += size;
    *out_++ = ' ';
    return true;
}

void ShapeWriter::literal(std::string_view folded) {
    if (list_open_) {
        list_open_ = false;
        list_ = out_;
    }
    std::memcpy(out_, folded.data(), folded.size());
    out_ += folded.size();
    *out_++ = ' ';
}

// At a comma or the end of an IN list of literals: "1 , 1 " becomes "1 ".
void ShapeWriter::shrink_list() {
    const auto size = out_ - list_;
    const std::ptrdiff_t half = (size - 2) / 2;
    if (size % 2 == 0 && half > 0 && list_[half] == ',' &&
        std::memcmp(list_, list_ + half + 2, static_cast<std::size_t>(half)) == 0) {
        out_ = list_ + half;
    }
}

void ShapeWriter::word() {
    char* const begin = out_;
    // An identifier may be as long as the text: room is checked once, per byte it need not be.
    const char* const stop = end_ - in_ > out_end_ - out_ ? in_ + (out_end_ - out_) : end_;
    while (in_ < stop) {
        const char c = kWordLower[static_cast<unsigned char>(*in_)];
        if (c == 0) {
            break;
        }
        *out_++ = c;
        ++in_;
    }
    const auto size = out_ - begin;
    *out_++ = ' ';
    end_list();
    last_ = Last::kOtherToken;
    if (size == 2 && begin[0] == 'i' && begin[1] == 'n') {
        last_ = Last::kWordIn;
    } else if (size == 6 && row_ == nullptr && std::memcmp(begin, "values", 6) == 0) {
        last_ = Last::kWordValues;
    }
}

bool ShapeWriter::word_or_prefixed() {
    const char next = peek(1);
    if (next == '\'') {
        switch (lower_of(*in_)) {
            case 'e':
                return escape_string();
            case 'b':
                ++in_;
                return string(kShapeBits);
            case 'x':
                ++in_;
                return string(kShapeHex);
            case 'n':
                ++in_;
                return string(kShapeNational);
            default:
                break;
        }
    } else if (next == '&' && lower_of(*in_) == 'u' && (peek(2) == '\'' || peek(2) == '"')) {
        return false;  // its meaning may hang on a UESCAPE further on
    }
    word();
    return out_ < out_end_;
}

bool ShapeWriter::string_literal(const char* begin, std::string_view value,
                                 std::string_view folded) {
    last_ = Last::kString;
    const bool plain = *begin == '\'';
    note_literal(begin, plain ? Literal::Kind::kString : Literal::Kind::kOther);
    if (literal_decides(value)) [[unlikely]] {
        end_list();
        return copy(begin, in_);
    }
    literal(folded);
    return true;
}

// '...', with its prefix already passed. Nothing escapes but a doubled quote.
bool ShapeWriter::string(std::string_view folded) {
    const char* const open = in_;
    const char* const begin = folded == kShapeString ? open : open - 1;
    const char* const after = scan_string(open, end_);
    if (after == nullptr) {
        return false;
    }
    const std::string_view value(open + 1, static_cast<std::size_t>(after - open - 2));
    const bool digits = folded == kShapeBits || folded == kShapeHex;
    if (digits && value.find('\'') != std::string_view::npos) {
        return false;  // two literals to PostgreSQL
    }
    in_ = after;
    return string_literal(begin, value, folded);
}

// E'...': escapes that could spell a letter are left to the parser.
bool ShapeWriter::escape_string() {
    const char* const begin = in_;
    for (const char* at = begin + 2; at < end_; ++at) {
        if (*at == '\\') {
            if (++at == end_ ||
                std::string_view("\\'\"ntrbf").find(*at) == std::string_view::npos) {
                return false;
            }
        } else if (*at == '\'') {
            if (at + 1 < end_ && at[1] == '\'') {
                ++at;
                continue;
            }
            in_ = at + 1;
            return string_literal(begin, {begin + 2, static_cast<std::size_t>(at - begin - 2)},
                                  kShapeString);
        }
    }
    return false;
}

bool ShapeWriter::quoted_word() {
    for (const char* at = in_ + 1; at < end_; ++at) {
        if (*at == '"') {
            if (at + 1 < end_ && at[1] == '"') {
                ++at;
                continue;
            }
            const char* const begin = in_;
            in_ = at + 1;
            last_ = Last::kOtherToken;
            end_list();
            return copy(begin, in_);
        }
    }
    return false;
}

bool ShapeWriter::number() {
    const NumberScan scan = scan_number(in_, end_);
    if (scan.kind == NumberKind::kNone) {
        return false;
    }
    const char* const begin = std::exchange(in_, scan.end);
    last_ = Last::kOtherToken;
    note_literal(begin, Literal::Kind::kNumber);
    literal(scan.kind == NumberKind::kDecimal ? kShapeDecimal
            : scan.kind == NumberKind::kLarge ? kShapeLarge
                                              : kShapeInteger);
    return true;
}

bool ShapeWriter::dollar() {
    if (class_of(peek(1)) != kDigit) {
        return dollar_quoted();
    }
    const char* const begin = in_++;
    while (in_ < end_ && class_of(*in_) == kDigit) {
        ++in_;
    }
    last_ = Last::kOtherToken;
    return class_of(peek(0)) != kLetter && copy(begin, in_);
}

bool ShapeWriter::dollar_quoted() {
    const char* tag_end = in_ + 1;
    while (tag_end < end_ && (class_of(*tag_end) == kLetter || class_of(*tag_end) == kDigit)) {
        ++tag_end;
    }
    if (tag_end == end_ || *tag_end != '$') {
        return false;
    }
    ++tag_end;
    const std::string_view tag(in_, static_cast<std::size_t>(tag_end - in_));
    const std::string_view rest(tag_end, static_cast<std::size_t>(end_ - tag_end));
    const std::size_t close = rest.find(tag);
    if (close == std::string_view::npos) {
        return false;
    }
    const char* const begin = in_;
    in_ = tag_end + close + tag.size();
    return string_literal(begin, rest.substr(0, close), kShapeString);
}

bool ShapeWriter::block_comment() {
    has_comments_ = true;
    std::size_t depth = 0;
    while (end_ - in_ >= 2) {
        if (in_[0] == '/' && in_[1] == '*') {
            ++depth;
            in_ += 2;
        } else if (in_[0] == '*' && in_[1] == '/') {
            in_ += 2;
            if (--depth == 0) {
                return true;
            }
        } else {
            ++in_;
        }
    }
    return false;
}

bool ShapeWriter::operator_or_comment() {
    if (in_[0] == '-' && peek(1) == '-') {
        has_comments_ = true;
        while (in_ < end_ && *in_ != '\n' && *in_ != '\r') {
            ++in_;
        }
        return true;
    }
    if (in_[0] == '/' && peek(1) == '*') {
        return block_comment();
    }
    const char* const begin = in_;
    while (in_ < end_ && class_of(*in_) == kOperator) {
        const bool comment = (in_[0] == '-' && peek(1) == '-') || (in_[0] == '/' && peek(1) == '*');
        if (comment) {
            break;
        }
        ++in_;
    }
    last_ = Last::kOtherToken;
    end_list();
    return copy(begin, in_);
}

void ShapeWriter::close_parenthesis() {
    if (row_ == nullptr || --row_depth_ != 0) {
        return;
    }
    const auto size = out_ - row_;
    if (row_before_ != nullptr && size == row_before_end_ - row_before_ &&
        std::memcmp(row_, row_before_, static_cast<std::size_t>(size)) == 0) {
        out_ = row_before_end_;
    } else {
        row_before_ = row_;
        row_before_end_ = out_;
    }
    row_ = nullptr;
    last_ = Last::kRow;
}

void ShapeWriter::self() {
    const char c = *in_++;
    if (list_ != nullptr && (c == ',' || c == ')')) {
        shrink_list();
    }
    const Last before = last_;
    char* const begin = out_;
    *out_++ = c;
    *out_++ = ' ';
    last_ = Last::kOtherToken;
    if (c == '(') {
        list_open_ = before == Last::kWordIn;
        if (row_ != nullptr) {
            ++row_depth_;
        } else if (before == Last::kWordValues || before == Last::kRow) {
            row_before_ = before == Last::kRow ? row_before_ : nullptr;
            row_ = begin;
            row_depth_ = 1;
        }
    } else if (c == ')') {
        close_parenthesis();
    } else if (c == ',' && before == Last::kRow) {
        last_ = Last::kRow;  // another row may follow
    }
    if (c != ',') {
        list_ = nullptr;
    }
}

void ShapeWriter::dot() {
    end_list();
    *out_++ = *in_++;
    if (peek(0) == '.') {
        *out_++ = *in_++;
    }
    *out_++ = ' ';
    last_ = Last::kOtherToken;
}

void ShapeWriter::colon() {
    end_list();
    *out_++ = *in_++;
    if (peek(0) == ':' || peek(0) == '=') {
        *out_++ = *in_++;
    }
    *out_++ = ' ';
    last_ = Last::kOtherToken;
}

// One token. False: the text cannot be folded.
bool ShapeWriter::step() {
    const Class next = class_of(*in_);
    switch (next) {
        case kSpace:
            ++in_;
            return true;
        case kLetter:
            return word_or_prefixed();
        case kDigit:
            return number();
        case kQuote:
            // 'a' 'b' continues a literal under the first one's rules.
            return last_ != Last::kString && string(kShapeString);
        case kDoubleQuote:
            return quoted_word();
        case kDollar:
            return dollar();
        case kDot:
            if (class_of(peek(1)) == kDigit) {
                return number();
            }
            dot();
            return true;
        case kColon:
            colon();
            return true;
        case kOperator:
            return operator_or_comment();
        case kSelf:
            self();
            return true;
        case kOther:
            break;
    }
    return false;
}

Shape ShapeWriter::run() {
    while (in_ < end_) {
        if (out_ >= out_end_ || !step()) {
            return {.canonical = {}, .foldable = false, .has_comments = true};
        }
    }
    while (out_ - out_begin_ >= 2 && out_[-2] == ';') {
        out_ -= 2;
    }
    return {.canonical = written(), .foldable = true, .has_comments = has_comments_};
}

}  // namespace

Shape shape_of(std::string_view text, std::span<char> out, Literals* literals) {
    if (out.size() <= ShapeWriter::kSlack) {
        return {};
    }
    if (literals != nullptr) {
        literals->count = 0;
    }
    return ShapeWriter(text, out, literals).run();
}

}  // namespace howdah::sql
