// What to write instead of a loop, in the words of the caller's ORM. Pure.
#pragma once

#include <string>

#include "insight/live/flow.hpp"
#include "insight/live/orm.hpp"
#include "insight/live/reading.hpp"

namespace howdah::insight::live {

struct FixQuestion {
    PatternKind kind = PatternKind::kNPlusOne;
    Orm orm = Orm::kUnknown;
    const sql::Statement* parent = nullptr;  // may be null
    const sql::Statement* child = nullptr;   // may be null
    std::uint8_t slot = 0;
    std::string parent_column;  // that the values come out of, ""
    std::string prisma_call;    // "User.findMany" of the prismaQuery tag, ""
};

std::string fix_for(const FixQuestion& question);

}  // namespace howdah::insight::live
