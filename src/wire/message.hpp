// Building and reading messages. Encoder appends whole messages to one buffer; Reader walks the
// fields of a body and never reads past it. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace howdah::wire {

// Appends messages; data() is what goes on the wire.
class Encoder {
  public:
    // Starts a message; end() closes it. type 0: no type byte (start-up messages).
    Encoder& begin(char type);
    Encoder& end();
    Encoder& u8(std::uint8_t value);
    Encoder& i16(std::int32_t value);
    Encoder& i32(std::int64_t value);
    Encoder& text(std::string_view value);   // with its closing zero
    Encoder& bytes(std::string_view value);  // as it is

    // --- Backend messages ---
    Encoder& authentication(std::int32_t code, std::string_view data = {});
    Encoder& sasl_mechanisms(std::span<const std::string_view> mechanisms);
    Encoder& parameter_status(std::string_view name, std::string_view value);
    Encoder& backend_key_data(std::uint32_t pid, std::string_view key);
    Encoder& ready_for_query(char status);
    Encoder& command_complete(std::string_view tag);
    Encoder& row_description(std::span<const std::pair<std::string, std::uint32_t>> columns);
    // nullopt-like: a null data() pointer is SQL NULL.
    Encoder& data_row(std::span<const std::string_view> values);
    // severity: ERROR, FATAL, NOTICE, WARNING. `error.sqlstate` defaults to XX000.
    Encoder& error_response(std::string_view severity, const Error& error);
    Encoder& notice_response(std::string_view severity, const Error& error);
    Encoder& negotiate_protocol_version(std::uint32_t minor,
                                        std::span<const std::string> unknown_options);
    Encoder& simple(char type) { return begin(type).end(); }  // '1', '2', '3', 'n', 'I', 's', ...

    // --- Frontend messages ---
    Encoder& query(std::string_view sql);
    Encoder& parse(std::string_view name, std::string_view sql);
    Encoder& close_statement(std::string_view name);
    Encoder& password(std::string_view secret);
    Encoder& sasl_initial(std::string_view mechanism, std::string_view data);
    Encoder& sasl_response(std::string_view data);
    Encoder& startup(std::uint32_t version,
                     std::span<const std::pair<std::string, std::string>> parameters);
    Encoder& cancel_request(std::uint32_t pid, std::string_view key);
    Encoder& ssl_request();

    std::string_view view() const { return data_; }
    const std::string& data() const { return data_; }
    std::string take() { return std::move(data_); }
    bool empty() const { return data_.empty(); }

  private:
    Encoder& fields(char type, std::string_view severity, const Error& error);
    std::string data_;
    std::size_t begin_ = 0;
};

// Walks a body. After a read past the end ok() is false and every read gives zero or empty.
class Reader {
  public:
    explicit Reader(std::span<const std::uint8_t> body) : body_(body) {}

    std::uint8_t u8();
    std::uint16_t u16();
    std::uint32_t u32();
    std::string_view text();  // up to and without the closing zero
    std::string_view bytes(std::size_t n);
    std::string_view rest() { return bytes(body_.size() - at_); }
    std::size_t left() const { return body_.size() - at_; }
    std::size_t position() const { return at_; }
    bool ok() const { return ok_; }

  private:
    std::span<const std::uint8_t> body_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

// The fields of an ErrorResponse or NoticeResponse that a proxy looks at.
struct ErrorFields {
    std::string_view severity;  // untranslated, field V
    std::string_view sqlstate;
    std::string_view message;
    std::string_view detail;
    std::string_view hint;
    std::string_view routine;  // the C function that reported it
};
ErrorFields read_error(std::span<const std::uint8_t> body);

// The command words and the row count of a CommandComplete tag: "INSERT 0 5" is INSERT and 5.
std::uint64_t rows_of_tag(std::string_view tag);

}  // namespace howdah::wire
