// The texts are what the mappers sent for PantryCRM's organizations and contacts: Prisma 7, Drizzle
// 0.4x, SQLAlchemy 1.4, Django 3.2, TypeORM 1.1, Sequelize 6, Knex 3, Kysely 0.29, Active
// Record 6.1, Hibernate 3.6; what Hibernate sends since 6 is written by hand, by what it is known
// to emit.
#include "insight/live/orm.hpp"

#include <gtest/gtest.h>

#include "insight/live/fix.hpp"
#include "sql/statement_cache.hpp"

namespace howdah::insight::live {
namespace {

Orm orm_of(std::string_view text, bool inlined = false) {
    return orm_of_text(*sql::analyze(text), inlined);
}

TEST(OrmOfText, Prisma) {
    EXPECT_EQ(orm_of(R"(SELECT "public"."contacts"."id", "public"."contacts"."organization_id",
        "public"."contacts"."email" FROM "public"."contacts"
        WHERE "public"."contacts"."organization_id" = $1 OFFSET $2)"),
              Orm::kPrisma);
    EXPECT_EQ(orm_of(R"(SELECT "public"."contacts"."id", "public"."contacts"."email" FROM
        "public"."contacts" WHERE "public"."contacts"."organization_id" IN ($1,$2) OFFSET $3)"),
              Orm::kPrisma);
    EXPECT_EQ(orm_of(R"(SELECT "public"."organizations"."id",
        "public"."organizations"."priority"::text FROM "public"."organizations" WHERE 1=1
        ORDER BY "public"."organizations"."id" ASC LIMIT $1 OFFSET $2)"),
              Orm::kPrisma);
    EXPECT_EQ(orm_of(R"(INSERT INTO "public"."contacts" ("email") VALUES ($1)
        RETURNING "public"."contacts"."id", "public"."contacts"."email")"),
              Orm::kPrisma);
}

TEST(OrmOfText, Drizzle) {
    EXPECT_EQ(orm_of(R"(select "id", "organization_id", "email" from "contacts"
        where "contacts"."organization_id" = $1)"),
              Orm::kDrizzle);
    EXPECT_EQ(orm_of(R"(select "id", "name" from "organizations"
        order by "organizations"."id" asc limit $1)"),
              Orm::kDrizzle);
    EXPECT_EQ(orm_of(R"(select "organizations"."id", "organizations"."name",
        "organizations_contacts"."data" as "contacts" from "organizations" "organizations"
        left join lateral (select coalesce(json_agg(json_build_array(
        "organizations_contacts"."id", "organizations_contacts"."email")), '[]'::json) as "data"
        from "contacts" "organizations_contacts" where
        "organizations_contacts"."organization_id" = "organizations"."id")
        "organizations_contacts" on true limit $1)"),
              Orm::kDrizzle);
}

TEST(OrmOfText, SqlAlchemy) {
    EXPECT_EQ(orm_of("SELECT contacts.id AS contacts_id, contacts.organization_id AS "
                     "contacts_organization_id, contacts.email AS contacts_email \nFROM contacts "
                     "\nWHERE 1 = contacts.organization_id"),
              Orm::kSqlAlchemy);
    EXPECT_EQ(orm_of("SELECT contacts.organization_id AS contacts_organization_id, contacts.id AS "
                     "contacts_id FROM contacts WHERE contacts.organization_id IN (1, 2, 3)"),
              Orm::kSqlAlchemy);
    EXPECT_EQ(orm_of("SELECT contacts.id, contacts.email FROM contacts "
                     "WHERE $1::INTEGER = contacts.organization_id"),
              Orm::kSqlAlchemy);
    EXPECT_EQ(orm_of("SELECT anon_1.id, anon_1.name, contacts_1.id AS id_1 FROM (SELECT "
                     "organizations.id AS id, organizations.name AS name FROM organizations ORDER "
                     "BY organizations.id LIMIT 12) AS anon_1 LEFT OUTER JOIN contacts AS "
                     "contacts_1 ON anon_1.id = contacts_1.organization_id ORDER BY anon_1.id"),
              Orm::kSqlAlchemy);
}

TEST(OrmOfText, DjangoPutsItsValuesIntoTheText) {
    constexpr std::string_view kText =
        R"(SELECT "contacts"."id", "contacts"."organization_id", "contacts"."email"
        FROM "contacts" WHERE "contacts"."organization_id" = 1)";
    EXPECT_EQ(orm_of(kText, true), Orm::kDjango);
    EXPECT_EQ(orm_of(R"(SELECT DISTINCT ON ("contacts"."organization_id") "contacts"."id",
        "contacts"."organization_id" FROM "contacts" ORDER BY "contacts"."id" ASC LIMIT 12)",
                     true),
              Orm::kDjango);
    EXPECT_EQ(orm_of(kText, false), Orm::kUnknown);  // SeaORM and Ent send the same
    EXPECT_EQ(orm_of(R"(SELECT COUNT(*) AS "__count" FROM "contacts" INNER JOIN "organizations" ON
        ("contacts"."organization_id" = "organizations"."id"))"),
              Orm::kDjango);
}

TEST(OrmOfText, ActiveRecord) {
    EXPECT_EQ(orm_of(R"(SELECT "contacts".* FROM "contacts"
        WHERE "contacts"."organization_id" = $1)"),
              Orm::kRails);
    EXPECT_EQ(orm_of(R"(SELECT "users".* FROM "users" WHERE "users"."id" = $1 LIMIT $2)"),
              Orm::kRails);
    EXPECT_EQ(orm_of(R"(SELECT "organizations"."id" AS t0_r0, "organizations"."name" AS t0_r1,
        "contacts"."id" AS t1_r0 FROM "organizations" LEFT OUTER JOIN "contacts" ON
        "contacts"."organization_id" = "organizations"."id")"),
              Orm::kRails);
    EXPECT_EQ(orm_of(R"(SELECT DISTINCT "organizations"."id" AS alias_0, "organizations"."id" FROM
        "organizations" LEFT OUTER JOIN "contacts" ON
        "contacts"."organization_id" = "organizations"."id" ORDER BY "organizations"."id" ASC
        LIMIT $1)"),
              Orm::kRails);
    EXPECT_EQ(orm_of(R"(SELECT DISTINCT "contacts".* FROM "contacts")"), Orm::kRails);
}

TEST(OrmOfText, Hibernate) {
    EXPECT_EQ(orm_of("select c1_0.organization_id,c1_0.id,c1_0.email from contacts c1_0 "
                     "where c1_0.organization_id=$1"),
              Orm::kHibernate);
    EXPECT_EQ(orm_of("select contacts0_.organization_id as organiza3_0_0_, contacts0_.id as "
                     "id1_0_0_, contacts0_.email as email2_0_1_ from contacts contacts0_ where "
                     "contacts0_.organization_id=$1"),
              Orm::kHibernate);
    EXPECT_EQ(orm_of("select distinct organizati0_.id as id0_, organizati0_.name as name0_ from "
                     "organizations organizati0_ where organizati0_.id<=12"),
              Orm::kHibernate);
    EXPECT_EQ(orm_of("select contacts0_.organization_id as organiza3_0_1_, contacts0_.id as id1_, "
                     "contacts0_.id as id1_0_ from contacts contacts0_ where "
                     "contacts0_.organization_id=$1"),
              Orm::kHibernate);
}

TEST(OrmOfText, TypeOrm) {
    EXPECT_EQ(orm_of(R"(SELECT "Organization"."id" AS "Organization_id", "Organization"."name" AS
        "Organization_name" FROM "organizations" "Organization"
        WHERE (("Organization"."id" = $1)) LIMIT 1)"),
              Orm::kTypeOrm);
    EXPECT_EQ(orm_of(R"(SELECT "Contact"."id" AS "Contact_id", "Contact"."email" AS "Contact_email"
        FROM "contacts" "Contact" LEFT JOIN "organizations" "Contact__Contact_organization" ON
        "Contact__Contact_organization"."id"="Contact"."organization_id"
        WHERE (((("Contact__Contact_organization"."id" = $1)))))"),
              Orm::kTypeOrm);
    EXPECT_EQ(orm_of(R"(SELECT "c"."id" AS "c_id", "c"."email" AS "c_email" FROM "contacts" "c"
        WHERE "c"."organization_id" = $1)"),
              Orm::kTypeOrm);
}

TEST(OrmOfText, Sequelize) {
    EXPECT_EQ(orm_of(R"(SELECT "id", "email", "organization_id" FROM "contacts" AS "Contact"
        WHERE "Contact"."organization_id" = '1';)"),
              Orm::kSequelize);
    EXPECT_EQ(orm_of(R"(SELECT "Organization".*, "contacts"."id" AS "contacts.id",
        "contacts"."email" AS "contacts.email" FROM (SELECT "Organization"."id",
        "Organization"."name" FROM "organizations" AS "Organization" LIMIT 3) AS "Organization"
        LEFT OUTER JOIN "contacts" AS "contacts" ON
        "Organization"."id" = "contacts"."organization_id";)"),
              Orm::kSequelize);
}

TEST(OrmOfText, WhatSeveralWriteIsNobodys) {
    for (const char* text : {
             // Knex, Kysely, Eloquent
             R"(select * from "contacts" where "organization_id" = $1)",
             R"(select "id", "name" from "organizations" order by "id" asc limit $1)",
             R"(select * from "organizations" where "id" = $1 limit $2)",
             R"(select "o"."name", "c"."email" from "organizations" as "o" inner join "contacts" as
                "c" on "c"."organization_id" = "o"."id" where "o"."id" = $1)",
             // By hand, jOOQ, Peewee, Ecto
             "select id, email from contacts where organization_id = $1",
             "select c.id, c.email from contacts c where c.organization_id = $1",
             "SELECT organizations.id, organizations.name FROM organizations WHERE id = $1",
             R"(select "public"."contacts"."id", "public"."contacts"."email" from
                "public"."contacts" where "public"."contacts"."organization_id" = $1)",
             R"(select "public"."contacts"."id" from "public"."contacts" offset $1 rows fetch next
                $2 rows only)",
             R"(SELECT "t1"."id", "t1"."email" FROM "contacts" AS "t1" WHERE ("t1"."id" = $1))",
             R"(SELECT c0."id", c0."email" FROM "contacts" AS c0 WHERE (c0."id" = $1))",
             R"(select "roles".*, "user_role"."user_id" as "pivot_user_id" from "roles" inner join
                "user_role" on "roles"."id" = "user_role"."role_id")",
             R"(UPDATE "organizations" SET "name" = $1 WHERE "id" = $2)",
             R"(INSERT INTO "contacts" ("email") VALUES ($1) RETURNING "id")",
             "select 1",
             "select",
             "select now()",
             "selec $1",
             "",
         }) {
        EXPECT_EQ(orm_name(orm_of(text)), "") << text;
    }
}

TEST(OrmOfTags, TheCallersLibrary) {
    const auto of = [](std::vector<sql::Tag> tags) { return orm_of_tags(tags); };
    EXPECT_EQ(of({{"prismaQuery", "User.findMany"}}), Orm::kPrisma);
    EXPECT_EQ(of({{"framework", "django:3.2"}}), Orm::kDjango);
    EXPECT_EQ(of({{"framework", "rails_v7.1"}}), Orm::kRails);
    EXPECT_EQ(of({{"db_driver", "knex:3.0"}, {"framework", "express"}}), Orm::kKnex);
    EXPECT_EQ(of({{"db_driver", "sequelize:6.37"}}), Orm::kSequelize);
    EXPECT_EQ(of({{"db_framework", "sqlalchemy:1.4"}, {"framework", "flask"}}), Orm::kSqlAlchemy);
    EXPECT_EQ(of({{"framework", "spring"}, {"route", "/prisma"}, {"controller", "django"}}),
              Orm::kUnknown);
    EXPECT_EQ(orm_of_name("drizzle-worker"), Orm::kDrizzle);
    EXPECT_EQ(orm_of_name("shop"), Orm::kUnknown);
}

// Words of one of them stand in its fix, and in that of nobody it does not know.
TEST(Fix, InTheWordsOfTheMapper) {
    const auto child = sql::analyze("select c.id from contacts c where $1 = c.organization_id");
    const auto insert = sql::analyze("insert into contacts (email) values ($1)");
    const std::pair<Orm, const char*> kReads[] = {
        {Orm::kPrisma, "organization_id: { in: ids }"},
        {Orm::kDrizzle, "inArray(contacts.organization_id"},
        {Orm::kSqlAlchemy, "selectinload"},
        {Orm::kDjango, "prefetch_related"},
        {Orm::kRails, ".includes(:contacts)"},
        {Orm::kHibernate, "JOIN FETCH"},
        {Orm::kTypeOrm, "organization_id: In(ids)"},
        {Orm::kSequelize, "findAll({ include"},
        {Orm::kKnex, "whereIn(\"organization_id\", ids)"},
        {Orm::kUnknown, "where organization_id = any($1)"}};
    const char* const kWrites[] = {"",
                                   "createMany",
                                   "db.insert",
                                   "insert(T)",
                                   "bulk_create",
                                   "insert_all",
                                   "hibernate.jdbc.batch_size",
                                   "repository.insert",
                                   "bulkCreate",
                                   "knex(\"contacts\")"};
    for (const auto& [orm, words] : kReads) {
        FixQuestion question;
        question.orm = orm;
        question.child = child.get();
        EXPECT_NE(fix_for(question).find(words), std::string::npos) << fix_for(question);
        question.kind = PatternKind::kWriteLoop;
        question.child = insert.get();
        EXPECT_NE(fix_for(question).find(kWrites[static_cast<std::size_t>(orm)]), std::string::npos)
            << fix_for(question);
    }
    // Each contact's organization, one by one.
    const auto contacts = sql::analyze("select c.id, c.organization_id from contacts c");
    const auto by_id = sql::analyze("select o.id from organizations o where o.id = $1");
    const auto to_one = [&](Orm orm, const char* column) {
        FixQuestion question;
        question.orm = orm;
        question.parent = contacts.get();
        question.parent_column = column;
        question.child = by_id.get();
        return fix_for(question);
    };
    EXPECT_NE(to_one(Orm::kRails, "organization_id").find(".includes(:organization)"),
              std::string::npos);
    EXPECT_NE(to_one(Orm::kRails, "column 2").find(".includes(..)"), std::string::npos);
    EXPECT_NE(to_one(Orm::kRails, "id").find(".includes(:organizations)"), std::string::npos);
    EXPECT_NE(to_one(Orm::kDjango, "organization_id").find(".select_related(\"organization\")"),
              std::string::npos);
    EXPECT_NE(to_one(Orm::kSqlAlchemy, "organization_id").find("joinedload"), std::string::npos);
    EXPECT_NE(to_one(Orm::kHibernate, "organiza3_1_").find("@BatchSize on the entity"),
              std::string::npos);
    EXPECT_NE(to_one(Orm::kPrisma, "organization_id").find("include"), std::string::npos);

    FixQuestion unknown;
    unknown.child = child.get();
    for (const auto& [orm, words] : kReads) {
        EXPECT_EQ(orm != Orm::kUnknown && fix_for(unknown).find(words) != std::string::npos, false);
    }
}

}  // namespace
}  // namespace howdah::insight::live
