// Any bytes as schema.prisma. Beyond not crashing: ranges lie inside the text, and a schema made of
// it names no table twice.
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "insight/psl.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace howdah::insight;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const PslFile file = parse_psl(text);
    const auto inside = [&](Range range) {
        return range.begin <= range.end && range.end <= text.size();
    };
    for (const PslModel& model : file.models) {
        for (const PslField& field : model.fields) {
            ASSERT(inside(field.range));
            ASSERT(!field.name.empty() && !field.type.empty());
        }
    }
    for (const Range range : file.errors) {
        ASSERT(inside(range));
    }
    const SourceText source("fuzz.prisma", text);
    Schema schema;
    add_psl({{&source, &file}}, schema);
    ASSERT(schema.tables().size() <= file.models.size());
    return 0;
}
