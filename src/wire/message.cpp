#include "wire/message.hpp"

#include <cstring>

#include "base/assert.hpp"
#include "wire/frame.hpp"

namespace howdah::wire {

Encoder& Encoder::begin(char type) {
    if (type != 0) {
        data_.push_back(type);
    }
    begin_ = data_.size();
    data_.append(4, '\0');
    return *this;
}

Encoder& Encoder::end() {
    const std::size_t length = data_.size() - begin_;
    for (int i = 0; i < 4; ++i) {
        data_[begin_ + static_cast<std::size_t>(i)] = static_cast<char>(length >> (24 - 8 * i));
    }
    return *this;
}

Encoder& Encoder::u8(std::uint8_t value) {
    data_.push_back(static_cast<char>(value));
    return *this;
}

Encoder& Encoder::i16(std::int32_t value) {
    data_.push_back(static_cast<char>(value >> 8));
    data_.push_back(static_cast<char>(value));
    return *this;
}

Encoder& Encoder::i32(std::int64_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        data_.push_back(static_cast<char>(value >> shift));
    }
    return *this;
}

Encoder& Encoder::text(std::string_view value) {
    data_.append(value);
    data_.push_back('\0');
    return *this;
}

Encoder& Encoder::bytes(std::string_view value) {
    data_.append(value);
    return *this;
}

Encoder& Encoder::authentication(std::int32_t code, std::string_view data) {
    return begin('R').i32(code).bytes(data).end();
}

Encoder& Encoder::sasl_mechanisms(std::span<const std::string_view> mechanisms) {
    begin('R').i32(10);
    for (const std::string_view mechanism : mechanisms) {
        text(mechanism);
    }
    return u8(0).end();
}

Encoder& Encoder::parameter_status(std::string_view name, std::string_view value) {
    return begin('S').text(name).text(value).end();
}

Encoder& Encoder::backend_key_data(std::uint32_t pid, std::string_view key) {
    return begin('K').i32(pid).bytes(key).end();
}

Encoder& Encoder::ready_for_query(char status) {
    return begin('Z').u8(static_cast<std::uint8_t>(status)).end();
}

Encoder& Encoder::command_complete(std::string_view tag) {
    return begin('C').text(tag).end();
}

Encoder& Encoder::row_description(std::span<const std::pair<std::string, std::uint32_t>> columns) {
    begin('T').i16(static_cast<std::int32_t>(columns.size()));
    for (const auto& [name, type] : columns) {
        const int size = type == 20 ? 8 : type == 23 ? 4 : -1;
        text(name).i32(0).i16(0).i32(type).i16(size).i32(-1).i16(0);
    }
    return end();
}

Encoder& Encoder::data_row(std::span<const std::string_view> values) {
    begin('D').i16(static_cast<std::int32_t>(values.size()));
    for (const std::string_view value : values) {
        if (value.data() == nullptr) {
            i32(-1);
        } else {
            i32(static_cast<std::int64_t>(value.size())).bytes(value);
        }
    }
    return end();
}

Encoder& Encoder::fields(char type, std::string_view severity, const Error& error) {
    begin(type);
    u8('S').text(severity);
    u8('V').text(severity);
    u8('C').text(error.sqlstate.empty() ? "XX000" : error.sqlstate);
    u8('M').text(error.message);
    if (!error.hint.empty()) {
        u8('H').text(error.hint);
    }
    return u8(0).end();
}

Encoder& Encoder::error_response(std::string_view severity, const Error& error) {
    return fields('E', severity, error);
}

Encoder& Encoder::notice_response(std::string_view severity, const Error& error) {
    return fields('N', severity, error);
}

Encoder& Encoder::negotiate_protocol_version(std::uint32_t minor,
                                             std::span<const std::string> unknown_options) {
    begin('v').i32(0x30000 | minor).i32(static_cast<std::int64_t>(unknown_options.size()));
    for (const std::string& option : unknown_options) {
        text(option);
    }
    return end();
}

Encoder& Encoder::query(std::string_view sql) {
    return begin('Q').text(sql).end();
}

Encoder& Encoder::parse(std::string_view name, std::string_view sql) {
    return begin('P').text(name).text(sql).i16(0).end();
}

Encoder& Encoder::close_statement(std::string_view name) {
    return begin('C').u8('S').text(name).end();
}

Encoder& Encoder::password(std::string_view secret) {
    return begin('p').text(secret).end();
}

Encoder& Encoder::sasl_initial(std::string_view mechanism, std::string_view data) {
    return begin('p').text(mechanism).i32(static_cast<std::int64_t>(data.size())).bytes(data).end();
}

Encoder& Encoder::sasl_response(std::string_view data) {
    return begin('p').bytes(data).end();
}

Encoder& Encoder::startup(std::uint32_t version,
                          std::span<const std::pair<std::string, std::string>> parameters) {
    begin(0).i32(version);
    for (const auto& [name, value] : parameters) {
        text(name).text(value);
    }
    return u8(0).end();
}

Encoder& Encoder::cancel_request(std::uint32_t pid, std::string_view key) {
    return begin(0).i32(80877102).i32(pid).bytes(key).end();
}

Encoder& Encoder::ssl_request() {
    return begin(0).i32(80877103).end();
}

std::uint8_t Reader::u8() {
    const std::string_view value = bytes(1);
    return ok_ ? static_cast<std::uint8_t>(value[0]) : std::uint8_t{0};
}

std::uint16_t Reader::u16() {
    const std::string_view value = bytes(2);
    return ok_ ? read_u16(reinterpret_cast<const std::uint8_t*>(value.data())) : std::uint16_t{0};
}

std::uint32_t Reader::u32() {
    const std::string_view value = bytes(4);
    return ok_ ? read_u32(reinterpret_cast<const std::uint8_t*>(value.data())) : 0U;
}

std::string_view Reader::text() {
    const auto* begin = reinterpret_cast<const char*>(body_.data() + at_);
    const void* zero = ok_ && left() > 0 ? std::memchr(begin, 0, left()) : nullptr;
    if (zero == nullptr) {
        ok_ = false;
        return {};
    }
    const auto length = static_cast<std::size_t>(static_cast<const char*>(zero) - begin);
    at_ += length + 1;
    return {begin, length};
}

std::string_view Reader::bytes(std::size_t n) {
    if (!ok_ || n > left()) {
        ok_ = false;
        return {};
    }
    const auto* begin = reinterpret_cast<const char*>(body_.data() + at_);
    at_ += n;
    return {begin, n};
}

ErrorFields read_error(std::span<const std::uint8_t> body) {
    ErrorFields fields;
    Reader reader(body);
    while (reader.ok() && reader.left() > 0) {
        const char kind = static_cast<char>(reader.u8());
        if (kind == 0) {
            break;
        }
        const std::string_view value = reader.text();
        switch (kind) {
            case 'S':
                if (fields.severity.empty()) {
                    fields.severity = value;
                }
                break;
            case 'V':
                fields.severity = value;
                break;
            case 'C':
                fields.sqlstate = value;
                break;
            case 'M':
                fields.message = value;
                break;
            case 'D':
                fields.detail = value;
                break;
            case 'H':
                fields.hint = value;
                break;
            case 'R':
                fields.routine = value;
                break;
            default:
                break;
        }
    }
    return fields;
}

std::uint64_t rows_of_tag(std::string_view tag) {
    const std::size_t space = tag.rfind(' ');
    if (space == std::string_view::npos) {
        return 0;
    }
    std::uint64_t rows = 0;
    for (const char c : tag.substr(space + 1)) {
        if (c < '0' || c > '9') {
            return 0;
        }
        rows = rows * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return rows;
}

}  // namespace howdah::wire
