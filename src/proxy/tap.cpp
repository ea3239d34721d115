#include "proxy/tap.hpp"

#include <bit>
#include <chrono>
#include <cstring>

#include "proxy/salted_hash.hpp"
#include "sql/tokens.hpp"
#include "wire/frame.hpp"

namespace howdah::proxy {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kTextMax = 64;           // a longer value is not followed
constexpr std::size_t kLiteralTextMax = 4096;  // how far literals are looked for in a text
constexpr std::size_t kUuidText = 36;
constexpr auto kSampleTurn = 10s;
constexpr std::size_t kSheetWords = TapRecord::kColumnsMax * TapRecord::kRowsMax;

std::uint64_t integer_hash(std::int64_t value, std::uint64_t salt) {
    std::uint64_t hash = (static_cast<std::uint64_t>(value) ^ salt) * 0xff51afd7ed558ccdULL;
    hash = (hash ^ (hash >> 32U)) * 0xc4ceb9fe1a85ec53ULL;
    hash ^= hash >> 29U;
    return hash == 0 ? 1 : hash;
}

std::uint8_t integer_class(std::int64_t value) {
    const std::uint64_t size =
        value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
    return bind_class(BindClass::kInteger, static_cast<unsigned>(std::bit_width(size)));
}

// A number as PostgreSQL prints it, of 18 digits at most.
bool read_integer(std::string_view text, std::int64_t& value) {
    const bool minus = !text.empty() && text.front() == '-';
    text.remove_prefix(minus ? 1 : 0);
    if (text.empty() || text.size() > 18 || (text.size() > 1 && text.front() == '0')) {
        return false;
    }
    std::int64_t number = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') {
            return false;
        }
        number = number * 10 + (c - '0');
    }
    value = minus ? -number : number;
    return true;
}

// Eight hexadecimal digits, the first in the lowest byte, as four bytes in the same order; `good`
// becomes false where there is anything else.
std::uint32_t read_hex(std::uint64_t digits, bool& good) {
    constexpr std::uint64_t kEach = 0x0101010101010101ULL;
    constexpr std::uint64_t kTop = 0x80 * kEach;
    // The top bit of each byte: whether it is at least `from`. Right for bytes below 0x80.
    const auto at_least = [](std::uint64_t bytes, std::uint64_t from) {
        return bytes + (0x80 - from) * kEach;
    };
    const std::uint64_t plain = digits & ~kTop;
    const std::uint64_t lower = plain | 0x20 * kEach;
    const std::uint64_t numbers = at_least(plain, '0') & ~at_least(plain, '9' + 1);
    const std::uint64_t letters = at_least(lower, 'a') & ~at_least(lower, 'f' + 1) & kTop;
    good = good && ((numbers | letters) & ~digits & kTop) == kTop;
    std::uint64_t nibbles = (plain & 0x0f * kEach) + 9 * (letters >> 7U);
    nibbles = (nibbles << 4U | nibbles >> 8U) & 0x00ff00ff00ff00ffULL;
    nibbles = (nibbles | nibbles >> 8U) & 0x0000ffff0000ffffULL;
    return static_cast<std::uint32_t>(nibbles | nibbles >> 16U);
}

// A uuid as PostgreSQL prints it, letters of either case. A word at a time: digit by digit it cost
// 43 ns.
bool read_uuid(std::string_view text, std::array<char, 16>& bytes) {
    if (text.size() != kUuidText || text[8] != '-' || text[13] != '-' || text[18] != '-' ||
        text[23] != '-') {
        return false;
    }
    constexpr std::size_t kHalves[4][2] = {{0, 4}, {9, 14}, {19, 24}, {28, 32}};
    bool good = true;
    for (std::size_t i = 0; i < 4; ++i) {
        std::uint32_t low = 0, high = 0;
        std::memcpy(&low, text.data() + kHalves[i][0], 4);
        std::memcpy(&high, text.data() + kHalves[i][1], 4);
        const std::uint32_t four = read_hex(std::uint64_t{high} << 32U | low, good);
        std::memcpy(bytes.data() + 4 * i, &four, 4);
    }
    return good;
}

std::int64_t read_big_endian(std::string_view bytes) {
    std::uint64_t value = (bytes.front() & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    for (const char c : bytes) {
        value = value << 8U | static_cast<std::uint8_t>(c);
    }
    return static_cast<std::int64_t>(value);
}

std::uint64_t text_hash(std::string_view value, std::uint64_t salt, std::uint8_t& kind) {
    std::int64_t number = 0;
    if (read_integer(value, number)) {
        kind = integer_class(number);
        return integer_hash(number, salt);
    }
    std::array<char, 16> uuid{};
    if (read_uuid(value, uuid)) {
        kind = bind_class(BindClass::kUuid, 16);
        return salted_hash({uuid.data(), uuid.size()}, salt);
    }
    kind = bind_class(BindClass::kText, static_cast<unsigned>(std::bit_width(value.size())));
    return value.size() < 2 ? 0 : salted_hash(value, salt);
}

}  // namespace

// Types are not known here: a binary value of 2, 4 or 8 bytes counts as an integer, one of 16 as a
// UUID, on both sides alike. Single characters and booleans are in every result: not followed.
std::uint64_t value_hash(std::string_view value, bool binary, std::uint64_t salt,
                         std::uint8_t* kind) {
    std::uint8_t ignored = 0;
    std::uint8_t& to = kind == nullptr ? ignored : *kind;
    if (value.size() > kTextMax) {
        to = bind_class(BindClass::kLong, static_cast<unsigned>(std::bit_width(value.size())));
        return 0;
    }
    if (!binary) {
        return text_hash(value, salt, to);
    }
    if (value.size() == 2 || value.size() == 4 || value.size() == 8) {
        const std::int64_t number = read_big_endian(value);
        to = integer_class(number);
        return integer_hash(number, salt);
    }
    if (value.size() == 16) {
        to = bind_class(BindClass::kUuid, 16);
        return salted_hash(value, salt);
    }
    return text_hash(value, salt, to);
}

void CloseTapSlot::operator()(TapSlot* slot) const {
    slot->tap->give_back(slot);
}

int Tap::begin_second(net::TimePoint now) {
    second_ends_ = now + 1s;
    sample_turn_ = static_cast<unsigned>(now.time_since_epoch() / kSampleTurn);
    seen_ = 1;
    return seen_;
}

TapSlotPtr Tap::take_slot() {
    if (free_slots_.empty()) {
        if (slots_.size() >= kSlotsMax) {
            ++unseen_;
            return nullptr;
        }
        slots_.push_back(std::make_unique<TapSlot>());
        free_slots_.reserve(slots_.size());
        slots_.back()->tap = this;
        free_slots_.push_back(slots_.back().get());
    }
    TapSlot* slot = free_slots_.back();
    free_slots_.pop_back();
    slot->binds = 0;
    slot->binary_columns = 0;
    slot->columns = 0;
    slot->rows = 0;
    slot->blind = false;
    slot->head[1] = ++next_id_;  // in the order in which statements begin
    slot->head[3] = 0;
    return TapSlotPtr(slot);
}

void Tap::give_back(TapSlot* slot) {
    if (slot->sheet != nullptr) {
        free_sheets_.push_back(slot->sheet);
        slot->sheet = nullptr;
    }
    free_slots_.push_back(slot);
}

TapSlotPtr Tap::open_bind(std::string_view values) {
    TapSlotPtr slot = take_slot();
    if (slot == nullptr) {
        return slot;
    }
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(values.data()), values.size());
    std::size_t at = 0;
    const auto u16 = [&] {
        const unsigned value = at + 2 <= bytes.size() ? bytes[at] * 256U + bytes[at + 1] : 0U;
        at += 2;
        return value;
    };
    const unsigned formats = u16();
    const std::size_t formats_at = at;
    at += std::size_t{2} * formats;
    const unsigned count = u16();
    for (unsigned i = 0; i < count && at + 4 <= bytes.size(); ++i) {
        const auto length = static_cast<std::int32_t>(wire::read_u32(bytes.data() + at));
        at += 4;
        const auto size = static_cast<std::size_t>(std::max(length, 0));
        if (i < TapRecord::kBindsMax && at + size <= bytes.size()) {
            const std::size_t which = formats_at + 2 * (formats == 1 ? 0 : std::size_t{i}) + 1;
            const bool binary = formats > 0 && which < bytes.size() && bytes[which] == 1;
            std::uint8_t kind = bind_class(BindClass::kNull, 0);
            std::uint64_t& hash = slot->head[TapRecord::kHeaderWords + i];
            hash = length < 0 ? 0 : value_hash(values.substr(at, size), binary, salt_, &kind);
            slot->head[3] |= std::uint64_t{kind} << (8 * i);
            ++slot->binds;
        }
        at += size;
    }
    const unsigned results = u16();
    for (unsigned i = 0; i < TapRecord::kColumnsMax && results > 0; ++i) {
        const std::size_t which = at + 2 * (results == 1 ? 0 : std::size_t{i}) + 1;
        if (which < bytes.size() && bytes[which] == 1) {
            slot->binary_columns |= 1U << i;
        }
    }
    return slot;
}

// literal: with its quotes.
void Tap::add_literal(TapSlot& slot, std::string_view literal, sql::Literal::Kind what) const {
    std::uint8_t kind = bind_class(BindClass::kOther, 0);
    std::uint64_t hash = 0;
    if (what != sql::Literal::Kind::kOther) {
        const bool string = what == sql::Literal::Kind::kString;
        hash = value_hash(string ? literal.substr(1, literal.size() - 2) : literal, false, salt_,
                          &kind);
    }
    slot.head[3] |= std::uint64_t{kind} << (8 * slot.binds);
    slot.head[TapRecord::kHeaderWords + slot.binds] = hash;
    ++slot.binds;
}

TapSlotPtr Tap::open_text(std::string_view text, const sql::Literals* literals) {
    static_assert(sql::Literals::kMax == TapRecord::kBindsMax);
    TapSlotPtr slot = take_slot();
    if (slot == nullptr) {
        return slot;
    }
    if (literals != nullptr) {
        for (std::size_t i = 0; i < literals->count; ++i) {
            const sql::Literal& literal = literals->at[i];
            add_literal(*slot, text.substr(literal.begin, literal.end - literal.begin),
                        literal.kind);
        }
        return slot;
    }
    const std::string_view look = text.substr(0, kLiteralTextMax);
    sql::Lexer lexer(look);
    for (sql::Token token = lexer.next_code();
         token.kind != sql::TokenKind::kEnd && slot->binds < TapRecord::kBindsMax;
         token = lexer.next_code()) {
        const std::string_view value = token.in(look);
        if (token.kind == sql::TokenKind::kNumber) {
            add_literal(*slot, value, sql::Literal::Kind::kNumber);
        } else if (token.kind == sql::TokenKind::kString) {
            const bool plain = value.front() == '\'' && value.size() >= 2 && !token.open;
            add_literal(*slot, value,
                        plain ? sql::Literal::Kind::kString : sql::Literal::Kind::kOther);
        }
    }
    return slot;
}

bool Tap::take_sheet(TapSlot& slot) {
    if (free_sheets_.empty()) {
        if (sheets_.size() >= kSheetsMax) {
            ++unseen_;
            slot.blind = true;
            return false;
        }
        sheets_.push_back(std::make_unique_for_overwrite<std::uint64_t[]>(kSheetWords));
        free_sheets_.reserve(sheets_.size());
        free_sheets_.push_back(sheets_.back().get());
    }
    slot.sheet = free_sheets_.back();
    free_sheets_.pop_back();
    return true;
}

void Tap::rows(TapSlot& slot, std::span<const std::uint8_t> messages) {
    while (messages.size() > wire::kHeaderBytes && !slot.blind && slot.rows < TapRecord::kRowsMax) {
        const std::size_t total = std::size_t{1} + wire::read_u32(messages.data() + 1);
        if (total > messages.size()) {
            return;
        }
        row(slot, messages.subspan(wire::kHeaderBytes, total - wire::kHeaderBytes));
        messages = messages.subspan(total);
    }
}

void Tap::row(TapSlot& slot, std::span<const std::uint8_t> body) {
    if (body.size() < 2 || (slot.sheet == nullptr && !take_sheet(slot))) {
        return;
    }
    const std::size_t columns =
        std::min<std::size_t>(body[0] * 256U + body[1], TapRecord::kColumnsMax);
    if (slot.rows == 0) {
        slot.columns = columns;
    } else if (columns != slot.columns) {
        slot.blind = true;  // the results of several statements
        return;
    }
    std::uint64_t* cells = slot.sheet + slot.rows * columns;
    std::size_t at = 2;
    for (std::size_t i = 0; i < columns; ++i) {
        cells[i] = 0;
        if (at + 4 > body.size()) {
            continue;
        }
        const auto length = static_cast<std::int32_t>(wire::read_u32(body.data() + at));
        at += 4;
        const auto size = static_cast<std::size_t>(std::max(length, 0));
        if (length > 0 && at + size <= body.size()) {
            const std::string_view value(reinterpret_cast<const char*>(body.data()) + at, size);
            cells[i] = value_hash(value, (slot.binary_columns >> i & 1U) != 0, salt_);
        }
        at += size;
    }
    ++slot.rows;
}

std::uint64_t Tap::close(TapSlot* slot, std::uint64_t rows_all) {
    if (slot == nullptr) {
        return 0;
    }
    const bool cells = slot->sheet != nullptr && !slot->blind && rows_all <= kRowsAllMax;
    const std::size_t rows = cells ? slot->rows : 0;
    const std::size_t columns = cells ? slot->columns : 0;
    if (slot->binds == 0 && rows * columns == 0) {
        return 0;
    }
    const std::size_t head_words = TapRecord::kHeaderWords + slot->binds;
    slot->head[0] = head_words + rows * columns;
    slot->head[2] = TapRecord::shape_word(slot->binds, columns, rows, rows_all);
    ++tapped_;
    const bool pushed = ring_.push(std::span(slot->head).first(head_words),
                                   std::span<const std::uint64_t>(slot->sheet, rows * columns));
    return pushed ? slot->head[1] : 0;
}

}  // namespace howdah::proxy
