// Frames of the PostgreSQL protocol 3.x after start-up: one type byte, four bytes of length (which
// counts itself but not the type), a body. See the manual, "Message Formats". Pure.
#pragma once

#include <cstdint>

namespace howdah::wire {

inline constexpr std::size_t kHeaderBytes = 5;

struct Frame {
    char type = 0;
    std::uint32_t body_bytes = 0;

    std::size_t total_bytes() const { return kHeaderBytes + body_bytes; }
};

inline std::uint32_t read_u32(const std::uint8_t* bytes) {
    return (std::uint32_t{bytes[0]} << 24) | (std::uint32_t{bytes[1]} << 16) |
           (std::uint32_t{bytes[2]} << 8) | std::uint32_t{bytes[3]};
}
inline std::uint16_t read_u16(const std::uint8_t* bytes) {
    return static_cast<std::uint16_t>((bytes[0] << 8) | bytes[1]);
}

// Reads the header at `bytes` (kHeaderBytes of them). False when the length cannot be right: a
// length below 4 or with the sign bit; the connection is then out of step and must be closed.
inline bool read_frame(const std::uint8_t* bytes, Frame& frame) {
    const std::uint32_t length = read_u32(bytes + 1);
    frame.type = static_cast<char>(bytes[0]);
    frame.body_bytes = length - 4;
    return length >= 4 && length <= 0x7fffffffU;
}

// Frontend messages that may follow start-up.
inline bool is_frontend_type(char type) {
    switch (type) {
        case 'B':
        case 'C':
        case 'D':
        case 'E':
        case 'F':
        case 'H':
        case 'P':
        case 'Q':
        case 'S':
        case 'X':
        case 'c':
        case 'd':
        case 'f':
        case 'p':
            return true;
        default:
            return false;
    }
}

// Backend messages that may come once a login is over.
inline bool is_backend_type(char type) {
    switch (type) {
        case '1':
        case '2':
        case '3':
        case 'A':
        case 'C':
        case 'D':
        case 'E':
        case 'G':
        case 'H':
        case 'I':
        case 'N':
        case 'S':
        case 'T':
        case 'V':
        case 'W':
        case 'Z':
        case 'c':
        case 'd':
        case 'n':
        case 's':
        case 't':
            return true;
        default:
            return false;
    }
}

}  // namespace howdah::wire
