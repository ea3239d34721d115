// Frames and bodies after start-up, as either side reads them: a header is accepted or refused, an
// error's fields lie inside its body, a walk with Reader never leaves it, rows and values of a
// result and of a Bind are hashed without a look past their end, a client handed over by another
// process is decoded or refused.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "proxy/handover.hpp"
#include "proxy/tap.hpp"
#include "wire/frame.hpp"
#include "wire/message.hpp"

using namespace howdah;

namespace {

void walk(std::span<const std::uint8_t> body) {
    wire::Reader reader(body);
    std::size_t turns = 0;
    while (reader.ok() && reader.left() > 0 && ++turns < 1000) {
        const std::uint8_t what = reader.u8();
        std::string_view piece;
        switch (what % 4) {
            case 0:
                piece = reader.bytes(reader.u16());
                break;
            case 1:
                piece = reader.bytes(reader.u32());
                break;
            case 2:
                piece = reader.text();
                break;
            default:
                piece = reader.rest();
        }
        const auto* first = reinterpret_cast<const std::uint8_t*>(piece.data());
        ASSERT(piece.empty() ||
               (first >= body.data() && first + piece.size() <= body.data() + body.size()));
        ASSERT(reader.position() + reader.left() == body.size());
    }
}

void inside(std::string_view field, std::span<const std::uint8_t> body) {
    const auto* first = reinterpret_cast<const std::uint8_t*>(field.data());
    ASSERT(field.empty() ||
           (first >= body.data() && first + field.size() <= body.data() + body.size()));
}

void read_messages(std::span<const std::uint8_t> bytes) {
    while (bytes.size() >= wire::kHeaderBytes) {
        wire::Frame frame;
        if (!wire::read_frame(bytes.data(), frame) || frame.total_bytes() > bytes.size()) {
            return;
        }
        const auto body = bytes.subspan(wire::kHeaderBytes, frame.body_bytes);
        const wire::ErrorFields error = wire::read_error(body);
        for (const std::string_view field : {error.severity, error.sqlstate, error.message,
                                             error.detail, error.hint, error.routine}) {
            inside(field, body);
        }
        (void)wire::rows_of_tag({reinterpret_cast<const char*>(body.data()), body.size()});
        bytes = bytes.subspan(frame.total_bytes());
    }
}

// The rows a session shows the tap are whole frames.
std::size_t whole_frames(std::span<const std::uint8_t> bytes) {
    std::size_t at = 0;
    wire::Frame frame;
    while (bytes.size() - at >= wire::kHeaderBytes && wire::read_frame(&bytes[at], frame) &&
           frame.total_bytes() <= bytes.size() - at) {
        at += frame.total_bytes();
    }
    return at;
}

void tap(std::span<const std::uint8_t> bytes) {
    static proxy::Tap one(42, 0);
    one.configure(true, 1'000'000'000);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (const bool bind : {true, false}) {
        proxy::TapSlotPtr slot = bind ? one.open_bind(text) : one.open_text(text);
        if (slot != nullptr) {
            one.rows(*slot, bytes.first(whole_frames(bytes)));
            (void)one.close(slot.get(), 1);
        }
    }
    static std::vector<std::uint64_t> words(TapRecord::kWordsMax);
    while (const std::size_t count = one.ring().pop(words)) {
        const TapRecord record = TapRecord::read(std::span(words).first(count));
        ASSERT(record.binds.size() <= TapRecord::kBindsMax && record.rows <= TapRecord::kRowsMax);
        ASSERT(record.binds.size() + record.cells.size() + TapRecord::kHeaderWords == count);
    }
    for (const bool binary : {true, false}) {
        (void)proxy::value_hash(text, binary, 42);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::uint8_t> bytes(data, size);
    walk(bytes);
    read_messages(bytes);
    tap(bytes);
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto state = proxy::decode_client(text)) {
        const auto again = proxy::decode_client(proxy::encode_client(*state));
        ASSERT(again && proxy::encode_client(*again) == proxy::encode_client(*state));
    }
    return 0;
}
