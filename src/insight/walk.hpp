// for_each_node: every node below a message, by protobuf-c's descriptors. Inside module insight.
#pragma once

#include "sql/tree.hpp"

namespace howdah::insight {

// Calls see(node) for each PgQuery__Node directly held by `message` (through messages that are no
// nodes). Whoever wants the levels below calls it again on the node's content.
template <typename See>
void for_each_child(const ProtobufCMessage* message, See&& see) {
    if (message == nullptr) {
        return;
    }
    const char* base = reinterpret_cast<const char*>(message);
    const ProtobufCMessageDescriptor& type = *message->descriptor;
    for (unsigned i = 0; i < type.n_fields; ++i) {
        const ProtobufCFieldDescriptor& field = type.fields[i];
        if (field.type != PROTOBUF_C_TYPE_MESSAGE) {
            continue;
        }
        const auto visit = [&](const ProtobufCMessage* child) {
            if (child == nullptr) {
                return;
            }
            if (child->descriptor == &pg_query__node__descriptor) {
                see(reinterpret_cast<const sql::Node*>(child));
            } else {
                for_each_child(child, see);
            }
        };
        if (field.label == PROTOBUF_C_LABEL_REPEATED) {
            const auto count =
                *reinterpret_cast<const std::size_t*>(base + field.quantifier_offset);
            const auto* items =
                *reinterpret_cast<ProtobufCMessage* const* const*>(base + field.offset);
            for (std::size_t n = 0; n < count; ++n) {
                visit(items[n]);
            }
        } else if ((field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
                   *reinterpret_cast<const int*>(base + field.quantifier_offset) ==
                       static_cast<int>(field.id)) {
            visit(*reinterpret_cast<const ProtobufCMessage* const*>(base + field.offset));
        }
    }
}

// The message a node holds.
inline const ProtobufCMessage* content(const sql::Node* node) {
    return node == nullptr || node->node_case == PG_QUERY__NODE__NODE__NOT_SET
               ? nullptr
               : reinterpret_cast<const ProtobufCMessage*>(node->alias);
}

}  // namespace howdah::insight
