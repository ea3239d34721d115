#include "tests/sim/model_server.hpp"

#include "tests/sim/model_session.hpp"

namespace howdah::sim {

Message& Message::int16(int value) {
    bytes_.push_back(static_cast<char>(value >> 8));
    bytes_.push_back(static_cast<char>(value));
    return *this;
}

Message& Message::int32(std::int64_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        bytes_.push_back(static_cast<char>(value >> shift));
    }
    return *this;
}

Message& Message::text(std::string_view value) {
    bytes_.append(value).push_back('\0');
    return *this;
}

Message& Message::counted(std::string_view value) {
    int32(static_cast<std::int64_t>(value.size()));
    bytes_.append(value);
    return *this;
}

Message& Message::raw(std::string_view value) {
    bytes_.append(value);
    return *this;
}

std::string Message::take() {
    const std::size_t length = bytes_.size() - 1;
    for (std::size_t i = 0; i < 4; ++i) {
        bytes_[1 + i] = static_cast<char>(length >> (24 - 8 * i));
    }
    return std::move(bytes_);
}

std::string Fields::bytes(std::size_t count) {
    if (count > rest_.size()) {
        bad_ = true;
        return {};
    }
    std::string taken(rest_.substr(0, count));
    rest_.remove_prefix(count);
    return taken;
}

std::uint32_t Fields::int32() {
    std::uint32_t value = 0;
    for (const char c : bytes(4)) {
        value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
}

std::uint32_t Fields::int16() {
    std::uint32_t value = 0;
    for (const char c : bytes(2)) {
        value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
}

std::string Fields::text() {
    const std::size_t end = rest_.find('\0');
    if (end == std::string_view::npos) {
        bad_ = true;
        return {};
    }
    std::string taken = bytes(end);
    rest_.remove_prefix(1);
    return taken;
}

std::optional<std::string> Fields::counted() {
    const std::uint32_t length = int32();
    if (length == 0xffffffffU) {
        return std::nullopt;
    }
    return bytes(length);
}

char Fields::byte() {
    const std::string one = bytes(1);
    return one.empty() ? '\0' : one[0];
}

ModelServer::~ModelServer() {
    ASSERT(sessions_.empty());
}

net::Task<void> ModelServer::serve(std::unique_ptr<net::Stream> stream) {
    ModelSession session(*this, *stream);
    co_await session.run();
}

void ModelServer::shut_down() {
    for (const auto& [pid, session] : sessions_) {
        session->terminate();
    }
}

void ModelServer::cancel(std::uint32_t pid, std::uint32_t key) {
    const auto found = sessions_.find(pid);
    if (found == sessions_.end() || found->second->key_ != key) {
        ++counters_.cancels_unknown;
    } else {
        found->second->cancel();
    }
}

}  // namespace howdah::sim
