#include "proxy/tap.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <vector>

#include "sql/shape.hpp"
#include "wire/message.hpp"

namespace howdah::proxy {
namespace {

constexpr std::uint64_t kSalt = 42;

std::uint64_t hash(std::string_view value, bool binary = false) {
    return value_hash(value, binary, kSalt);
}

std::string big_endian(std::uint64_t value, std::size_t bytes) {
    std::string made;
    for (std::size_t i = bytes; i > 0; --i) {
        made.push_back(static_cast<char>(value >> (8 * (i - 1))));
    }
    return made;
}

std::span<const std::uint8_t> as_bytes(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST(ValueHash, TextAndBinaryOfOneValueMeet) {
    for (const std::int64_t value : {0L, 1L, 42L, -7L, 32'000L}) {
        const std::string text = std::to_string(value);
        const auto bits = static_cast<std::uint64_t>(value);
        EXPECT_EQ(hash(text), hash(big_endian(bits, 2), true)) << value;
        EXPECT_EQ(hash(text), hash(big_endian(bits, 4), true)) << value;
        EXPECT_EQ(hash(text), hash(big_endian(bits, 8), true)) << value;
    }
    EXPECT_EQ(hash("00112233-4455-6677-8899-AABBCCDDEEFF"),
              hash("00112233-4455-6677-8899-aabbccddeeff"));
    const std::string uuid("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
    EXPECT_EQ(hash("00112233-4455-6677-8899-aabbccddeeff"), hash(uuid, true));
    EXPECT_NE(hash("42"), value_hash("42", false, kSalt + 1));
    EXPECT_EQ(hash("t"), 0U);                   // a boolean: in every result
    EXPECT_EQ(hash(std::string(65, 'x')), 0U);  // too long to follow
    EXPECT_NE(hash("0042"), hash("42"));        // no number as PostgreSQL prints it
}

std::string bytes_of_uuid(std::string text) {
    std::erase(text, '-');
    std::string bytes;
    for (std::size_t at = 0; at < text.size(); at += 2) {
        bytes.push_back(static_cast<char>(std::stoi(text.substr(at, 2), nullptr, 16)));
    }
    return bytes;
}

// Each of the 36 places, with each byte that may stand there.
TEST(ValueHash, AUuidIsReadDigitByDigit) {
    const std::string text = "00112233-4455-6677-8899-aabbccddeeff";
    for (std::size_t at = 0; at < text.size(); ++at) {
        for (int byte = 1; byte < 256; ++byte) {
            std::string other = text;
            other[at] = static_cast<char>(byte);
            const bool uuid = other == text || (text[at] != '-' && std::isxdigit(byte) != 0);
            std::uint8_t kind = 0;
            const std::uint64_t made = value_hash(other, false, kSalt, &kind);
            EXPECT_EQ(kind == bind_class(BindClass::kUuid, 16), uuid) << other;
            if (uuid) {
                EXPECT_EQ(made, hash(bytes_of_uuid(other), true)) << other;
            }
        }
    }
}

TEST(Tap, ARecordHasTheParametersAndTheRows) {
    Tap tap(kSalt, 3);
    tap.configure(true, 1000);
    ASSERT_TRUE(tap.wants(1, net::TimePoint()));
    wire::Encoder values;
    values.i16(1).i16(1).i16(2).i32(4).bytes(big_endian(77, 4)).i32(-1).i16(0);
    const TapSlotPtr slot = tap.open_bind(values.view());
    wire::Encoder answer;
    const std::string_view first[] = {"5", "Anna"};
    const std::string_view second[] = {"6", "Bert"};
    answer.data_row(first).data_row(second);
    tap.rows(*slot, as_bytes(answer.data()));
    const std::uint64_t id = tap.close(slot.get(), 2);
    ASSERT_NE(id, 0U);
    std::vector<std::uint64_t> words(TapRecord::kWordsMax);
    const std::size_t size = tap.ring().pop(words);
    const TapRecord record = TapRecord::read(std::span(words).first(size));
    EXPECT_EQ(record.tap_id, id);
    ASSERT_EQ(record.binds.size(), 2U);
    EXPECT_EQ(record.binds[0], hash("77"));
    EXPECT_EQ(record.binds[1], 0U);
    EXPECT_EQ(record.bind_classes & 0xffU, bind_class(BindClass::kInteger, 7));
    ASSERT_EQ(record.cells.size(), 4U);
    EXPECT_EQ(record.cells[0], hash("5"));
    EXPECT_EQ(record.cells[3], hash("Bert"));
    EXPECT_EQ(tap.ring().pop(words), 0U);
}

TEST(Tap, LiteralsOfATextAreItsParameters) {
    Tap tap(kSalt, 0);
    const TapSlotPtr slot = tap.open_text("select a from t where b = 'xyz' and c = 12 -- 13");
    ASSERT_EQ(slot->binds, 2U);
    EXPECT_EQ(slot->head[TapRecord::kHeaderWords], hash("xyz"));
    EXPECT_EQ(slot->head[TapRecord::kHeaderWords + 1], hash("12"));
    const std::string_view text = "select a from t where b = 'xyz' and c = 12 and d = E'x'";
    std::vector<char> buffer(256);
    sql::Literals literals;
    ASSERT_TRUE(sql::shape_of(text, buffer, &literals).foldable);
    const TapSlotPtr known = tap.open_text(text, &literals);
    const TapSlotPtr searched = tap.open_text(text);
    EXPECT_EQ(known->binds, 3U);
    EXPECT_EQ(known->binds, searched->binds);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(known->head[TapRecord::kHeaderWords + i],
                  searched->head[TapRecord::kHeaderWords + i]);
    }
    EXPECT_EQ(known->head[3], searched->head[3]);
}

TEST(Tap, BrokenMessagesAreReadToTheirEndAndNoFurther) {
    Tap tap(kSalt, 0);
    wire::Encoder values;
    values.i16(0).i16(3).i32(1000).bytes("short");
    for (std::size_t size = 0; size <= values.data().size(); ++size) {
        const std::string cut = values.data().substr(0, size);
        const TapSlotPtr slot = tap.open_bind(cut);
        ASSERT_NE(slot, nullptr);
    }
    wire::Encoder answer;
    const std::string_view row[] = {"12345", "abc"};
    answer.data_row(row);
    for (std::size_t size = 0; size <= answer.data().size(); ++size) {
        const std::string cut = answer.data().substr(0, size);
        const TapSlotPtr slot = tap.open_bind("");
        tap.rows(*slot, as_bytes(cut));
        EXPECT_EQ(slot->rows, size == answer.data().size() ? 1U : 0U);
    }
}

TEST(Tap, RoomIsBoundedAndComesBack) {
    Tap tap(kSalt, 0);
    std::vector<TapSlotPtr> held;
    for (std::size_t i = 0; i < Tap::kSlotsMax + 5; ++i) {
        held.push_back(tap.open_bind(""));
    }
    EXPECT_EQ(held.back(), nullptr);
    EXPECT_EQ(tap.unseen(), 5U);
    held.clear();
    EXPECT_NE(tap.open_bind(""), nullptr);
}

TEST(Tap, AboveTheLoadOneGroupInEightIsLookedAt) {
    Tap tap(kSalt, 0);
    EXPECT_FALSE(tap.wants(1, net::TimePoint()));  // off
    tap.configure(true, 0);
    int wanted = 0;
    for (std::uint32_t group = 1; group <= 800; ++group) {
        wanted += tap.wants(group, net::TimePoint() + std::chrono::seconds(1)) ? 1 : 0;
    }
    EXPECT_GT(wanted, 40);
    EXPECT_LT(wanted, 200);
}

}  // namespace
}  // namespace howdah::proxy
