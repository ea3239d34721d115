// Prisma's schema language: models, fields, indexes and relations of schema.prisma, one file or a
// folder of them. Own parser; any bytes are accepted.
//
// Source: Prisma's schema reference (models, attributes, native types).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "insight/schema.hpp"
#include "insight/source_text.hpp"

namespace howdah::insight {

// One argument's value as far as schemas need it: a list of names, or a word.
struct PslArgument {
    std::string name = {};                // "" = by position
    std::string text = {};                // word or string
    std::vector<std::string> names = {};  // [a, b(sort: Desc)] -> a, b
    bool trigram = false;                 // ops: raw("gin_trgm_ops")
};

struct PslAttribute {
    std::string name = {};  // "id", "db.Uuid", "index"
    std::vector<PslArgument> arguments = {};
    const PslArgument* argument(std::string_view wanted) const;  // by name, else the first
};

struct PslField {
    std::string name = {};
    std::string type = {};
    bool list = false;
    bool optional = false;
    std::vector<PslAttribute> attributes = {};
    Range range = {};  // its line
    const PslAttribute* attribute(std::string_view wanted) const;
};

struct PslModel {
    std::string name = {};
    bool view = false;
    std::vector<PslField> fields = {};
    std::vector<PslAttribute> attributes = {};  // @@index and so on
};

struct PslFile {
    std::vector<PslModel> models = {};
    std::vector<std::string> enums = {};
    std::vector<Range> comments = {};
    std::vector<Range> errors = {};  // lines that are no PSL
};

PslFile parse_psl(std::string_view text);

// Adds what all files of a project define together. The pointers are only read.
struct PslSource {
    const SourceText* source = nullptr;
    const PslFile* file = nullptr;
};
void add_psl(const std::vector<PslSource>& files, Schema& schema);

}  // namespace howdah::insight
