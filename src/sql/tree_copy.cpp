#include "sql/tree_copy.hpp"

#include <cstdint>
#include <cstring>

namespace howdah::sql {
namespace {

// The parse that the thread is in, between parse_into() and the library's calls below.
struct Capture {
    Arena* arena = nullptr;
    PgQuery__ParseResult* tree = nullptr;
};
thread_local Capture capture;

ProtobufCMessage* copy_message(const ProtobufCMessage& from, Arena& arena);

char* copy_string(const char* from, Arena& arena) {
    // The wire format knows no difference between none and empty.
    if (from == nullptr || *from == '\0') {
        return const_cast<char*>(&protobuf_c_empty_string[0]);
    }
    const std::size_t bytes = std::strlen(from) + 1;
    return static_cast<char*>(std::memcpy(arena.allocate(bytes), from, bytes));
}

std::byte* bytes_of(ProtobufCMessage& message) {
    return reinterpret_cast<std::byte*>(&message);
}

// A pointer that stands at `offset` of a message.
template <typename T>
T*& pointer_at(std::byte* message, unsigned offset) {
    return *reinterpret_cast<T**>(message + offset);
}

void copy_repeated(std::byte* message, const ProtobufCFieldDescriptor& field, Arena& arena) {
    const auto count = *reinterpret_cast<const std::size_t*>(message + field.quantifier_offset);
    void*& items = pointer_at<void>(message, field.offset);
    if (count == 0) {
        items = nullptr;
        return;
    }
    if (field.type != PROTOBUF_C_TYPE_MESSAGE) {
        const std::size_t bytes = count * sizeof(std::uint64_t);  // nothing else is repeated
        items = std::memcpy(arena.allocate(bytes), items, bytes);
        return;
    }
    auto* const* from = static_cast<ProtobufCMessage* const*>(items);
    auto** to = static_cast<ProtobufCMessage**>(arena.allocate(count * sizeof(void*)));
    for (std::size_t i = 0; i < count; ++i) {
        to[i] = copy_message(*from[i], arena);
    }
    items = static_cast<void*>(to);
}

// `message` is a copy of the bytes; its pointers still lead into the library's memory.
void copy_field(std::byte* message, const ProtobufCFieldDescriptor& field, Arena& arena) {
    const bool one_of = (field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0U;
    if (one_of &&
        *reinterpret_cast<const std::uint32_t*>(message + field.quantifier_offset) != field.id) {
        return;
    }
    if (field.label == PROTOBUF_C_LABEL_REPEATED) {
        return copy_repeated(message, field, arena);
    }
    if (field.type == PROTOBUF_C_TYPE_MESSAGE) {
        if (auto*& part = pointer_at<ProtobufCMessage>(message, field.offset); part != nullptr) {
            part = copy_message(*part, arena);
        }
    } else if (field.type == PROTOBUF_C_TYPE_STRING) {
        auto*& text = pointer_at<char>(message, field.offset);
        text = copy_string(text, arena);
    }
}

ProtobufCMessage* copy_message(const ProtobufCMessage& from, Arena& arena) {
    const ProtobufCMessageDescriptor& type = *from.descriptor;
    auto* copy = static_cast<ProtobufCMessage*>(
        std::memcpy(arena.allocate(type.sizeof_message), &from, type.sizeof_message));
    if (&type == &pg_query__node__descriptor) {
        // One union of 230 pointers to messages, at one place.
        if (reinterpret_cast<const PgQuery__Node*>(copy)->node_case !=
            PG_QUERY__NODE__NODE__NOT_SET) {
            auto*& part = pointer_at<ProtobufCMessage>(bytes_of(*copy), type.fields[0].offset);
            part = copy_message(*part, arena);
        }
        return copy;
    }
    for (unsigned i = 0; i < type.n_fields; ++i) {
        copy_field(bytes_of(*copy), type.fields[i], arena);
    }
    return copy;
}

}  // namespace

void Arena::add_block(std::size_t bytes_min) {
    const std::size_t block = bytes_min > block_bytes_ ? bytes_min : block_bytes_;
    blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(block));
    at_ = blocks_.back().get();
    left_ = block;
}

CopiedParse parse_into(Arena& arena, const char* text) {
    capture = {.arena = &arena, .tree = nullptr};
    CopiedParse result{.parsed = pg_query_parse_protobuf(text), .tree = capture.tree};
    result.tree = capture.tree;
    capture = {};
    return result;
}

}  // namespace howdah::sql

// What the library calls. Behind them nothing is left to write where the tree was copied.
extern "C" {

__attribute__((visibility("default"))) size_t
pg_query__parse_result__get_packed_size(const PgQuery__ParseResult* message) {
    using howdah::sql::capture;
    if (capture.arena == nullptr) {
        return protobuf_c_message_get_packed_size(&message->base);
    }
    capture.tree = reinterpret_cast<PgQuery__ParseResult*>(
        howdah::sql::copy_message(message->base, *capture.arena));
    return 0;
}

__attribute__((visibility("default"))) size_t
pg_query__parse_result__pack(const PgQuery__ParseResult* message, uint8_t* out) {
    return howdah::sql::capture.tree != nullptr ? 0 : protobuf_c_message_pack(&message->base, out);
}
}
