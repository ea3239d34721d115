#include "insight/live/fix.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace howdah::insight::live {
namespace {

// "comments" of "orders.comments": a name that reads in code.
std::string table_of(const sql::Statement* statement, std::string_view otherwise) {
    const std::string table = statement == nullptr ? "" : main_table(*statement);
    return table.empty() ? std::string(otherwise) : table;
}

// Rows looked up by their own id for a foreign key of other rows: the loop goes from many to one.
bool reads_parents(const FixQuestion& question, std::string_view column) {
    return question.parent != nullptr && column == "id" && question.parent_column != "id";
}

// "organization" of organization_id, as mappers call the association; "" where it is unknown.
std::string association_of(std::string_view foreign_key) {
    for (const std::string_view end : {"_id", "Id"}) {
        if (foreign_key.size() > end.size() && foreign_key.ends_with(end)) {
            return std::string(foreign_key.substr(0, foreign_key.size() - end.size()));
        }
    }
    return "";
}

// From many to one, where the mapper's words for it are others than from one to many.
std::string parents_fix(const FixQuestion& question, const std::string& table) {
    const std::string name = association_of(question.parent_column);
    switch (question.orm) {
        case Orm::kSqlAlchemy:
            return fmt::format(
                "Load {} with the rows that name them: select(..).options(joinedload(..)); "
                "lazy=\"raise\" finds the places",
                table);
        case Orm::kDjango:
            return fmt::format("Load {} with the rows that name them: .select_related({})", table,
                               name.empty() ? ".." : "\"" + name + "\"");
        case Orm::kRails:
            return fmt::format("Load {} with the rows that name them: .includes({})", table,
                               name.empty() ? ".." : ":" + name);
        case Orm::kHibernate:
            return fmt::format(
                "Load {} with the rows that name them: JOIN FETCH, @EntityGraph, or @BatchSize on "
                "the entity",
                table);
        default:
            return "";
    }
}

std::string read_fix(const FixQuestion& question, const std::string& child,
                     const std::string& column) {
    const std::string parent = table_of(question.parent, "parent");
    switch (question.orm) {
        case Orm::kPrisma:
            return fmt::format(
                "Load {0} with its parents: prisma.{1}.findMany({{ include: {{ {0}: true }} }}), "
                "or "
                "one query for all: where: {{ {2}: {{ in: ids }} }}",
                child, parent, column);
        case Orm::kDrizzle:
            return fmt::format(
                "Load {0} with its parents: db.query.{1}.findMany({{ with: {{ {0}: true }} }}), or "
                "one query for all: where(inArray({0}.{2}, ids))",
                child, parent, column);
        case Orm::kSqlAlchemy:
            return fmt::format(
                "Load {0} with its parents: select(..).options(selectinload(..)), or joinedload() "
                "for a single one; lazy=\"raise\" finds the places",
                child);
        case Orm::kDjango:
            return fmt::format(
                "Load {0} with its parents: .select_related(..) for a foreign key, "
                ".prefetch_related(..) for many",
                child);
        case Orm::kRails:
            return fmt::format("Load {0} with its parents: .includes(:{0}) or .preload(:{0})",
                               child);
        case Orm::kHibernate:
            return fmt::format("Load {0} with its parents: JOIN FETCH, @EntityGraph or @BatchSize",
                               child);
        case Orm::kTypeOrm:
            return fmt::format(
                "Load {0} with its parents: find({{ relations: {{ {0}: true }} }}) or "
                "leftJoinAndSelect(..), or one query for all: where: {{ {1}: In(ids) }}",
                child, column);
        case Orm::kSequelize:
            return fmt::format(
                "Load {0} with its parents: findAll({{ include: .. }}), or one query for all: "
                "where: {{ {1}: ids }}",
                child, column);
        case Orm::kKnex:
            return fmt::format(
                "Ask once for all: knex(\"{0}\").whereIn(\"{1}\", ids), or join the two", child,
                column);
        case Orm::kUnknown:
            break;
    }
    return fmt::format(
        "Ask once for all: select .. from {0} where {1} = any($1), with the values of the first "
        "result as an array, or join the two",
        child, column);
}

std::string write_fix(const FixQuestion& question, const std::string& table) {
    const bool insert =
        question.child != nullptr && question.child->kind == sql::StatementKind::kInsert;
    switch (question.orm) {
        case Orm::kPrisma:
            return fmt::format(
                "Write all at once: prisma.{}.{}", table,
                insert ? "createMany({ data: [..] })" : "updateMany({ where, data })");
        case Orm::kDrizzle:
            return insert ? fmt::format("Write all at once: db.insert({}).values([..])", table)
                          : "Write all at once: one update with a VALUES list or a CASE";
        case Orm::kDjango:
            return insert ? "Write all at once: bulk_create(..)"
                          : "Write all at once: bulk_update(..)";
        case Orm::kSqlAlchemy:
            return "Write all at once: session.execute(insert(T), [..]) or bulk update by primary "
                   "key";
        case Orm::kRails:
            return insert ? "Write all at once: insert_all(..)"
                          : "Write all at once: upsert_all(..)";
        case Orm::kHibernate:
            return "Set hibernate.jdbc.batch_size and order_inserts, order_updates";
        case Orm::kTypeOrm:
            return insert ? "Write all at once: repository.insert([..])"
                          : "Write all at once: one update with a VALUES list or a CASE";
        case Orm::kSequelize:
            return insert ? "Write all at once: bulkCreate([..])"
                          : "Write all at once: bulkCreate([..], { updateOnDuplicate: [..] })";
        case Orm::kKnex:
            return insert ? fmt::format("Write all at once: knex(\"{}\").insert([..])", table)
                          : "Write all at once: one update with a VALUES list or a CASE";
        case Orm::kUnknown:
            break;
    }
    return insert ? fmt::format(
                        "Write all at once: insert into {0} (..) values (..), (..), or "
                        "insert into {0} select * from unnest($1, $2), or COPY",
                        table)
                  : fmt::format(
                        "Write all at once: with values as (select * from unnest($1, $2)) "
                        "update {0} .. from values, or delete .. where id = any($1)",
                        table);
}

}  // namespace

std::string fix_for(const FixQuestion& question) {
    const std::string child = table_of(question.child, "the child");
    std::string column =
        question.child == nullptr ? "" : compared_column(*question.child, question.slot);
    column = column.empty() ? "key" : column;
    switch (question.kind) {
        case PatternKind::kNPlusOne: {
            std::string fix =
                reads_parents(question, column) ? parents_fix(question, child) : std::string();
            fix = fix.empty() ? read_fix(question, child, column) : fix;
            if (!question.prisma_call.empty()) {
                fix += fmt::format(" (the loop's call: {})", question.prisma_call);
            }
            return fix;
        }
        case PatternKind::kWriteLoop:
            return write_fix(question, child);
        case PatternKind::kDuplicate:
            return "Ask once and keep the answer for the rest of the request (a DataLoader, or a "
                   "variable)";
        case PatternKind::kSequential:
            return "Start them together: Promise.all([..]), asyncio.gather(..); each needs a "
                   "connection of the pool";
    }
    return "";
}

}  // namespace howdah::insight::live
