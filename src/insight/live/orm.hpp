// Which object-relational mapper wrote a statement, as far as that shows. Pure.
//
// By tags first (prismaQuery, framework, db_driver), then by the texture of the text: how columns
// are qualified, quoted and labelled. Nothing is said where several mappers write the same: Knex
// and Kysely, for two, have no texture of their own.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sql/comments.hpp"
#include "sql/statement.hpp"

namespace howdah::insight::live {

enum class Orm : std::uint8_t {
    kUnknown,
    kPrisma,
    kDrizzle,
    kSqlAlchemy,
    kDjango,
    kRails,
    kHibernate,
    kTypeOrm,
    kSequelize,
    kKnex,
};
std::string_view orm_name(Orm orm);  // "Prisma"; "" for kUnknown

Orm orm_of_tags(std::span<const sql::Tag> tags);
// Of a name that an application gives itself.
Orm orm_of_name(std::string_view application);
// inlined: its values mostly came inside the text.
Orm orm_of_text(const sql::Statement& statement, bool inlined);

}  // namespace howdah::insight::live
