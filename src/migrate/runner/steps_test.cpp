#include "migrate/runner/steps.hpp"

#include <gtest/gtest.h>

#include "migrate/runner/backfill.hpp"
#include "migrate/runner/plan.hpp"
#include "migrate/runner/validate.hpp"

namespace howdah::migrate::runner {
namespace {

ScriptText script(std::string sql) {
    ScriptText text;
    text.file = "m.sql";
    text.sql = std::move(sql);
    return text;
}

// "T2 A B": kind and number of statements of each step; the error's message when it is refused.
std::string shape(std::string sql, TransactionScope scope = TransactionScope::kFile) {
    const auto steps = plan_steps(script(std::move(sql)), scope);
    if (!steps) {
        return steps.error().message;
    }
    std::string text;
    for (const Step& step : *steps) {
        text += text.empty() ? "" : " ";
        text += step.kind == StepKind::kTransaction  ? 'T'
                : step.kind == StepKind::kAutocommit ? 'A'
                                                     : 'B';
        text += std::to_string(step.statements.size());
    }
    return text;
}

TEST(Steps, OneTransactionUnlessAStatementNeedsItsOwn) {
    EXPECT_EQ(shape("create table a (i int); insert into a values (1);"), "T2");
    EXPECT_EQ(shape("select 1; create index concurrently i on a (i); select 2; select 3"),
              "T1 A1 T2");
    EXPECT_EQ(shape("vacuum a; drop index concurrently i; reindex table concurrently a"),
              "A1 A1 A1");
    EXPECT_EQ(shape("alter table p detach partition c concurrently"), "A1");
    EXPECT_EQ(shape("refresh materialized view concurrently v"), "T1");
    EXPECT_EQ(shape(""), "");
    EXPECT_EQ(shape("-- nothing but a comment"), "");
}

TEST(Steps, EnumValuesAreUsableAfterACommit) {
    EXPECT_EQ(shape("alter type mood add value 'x'; insert into t values ('x')"), "T1 T1");
}

TEST(Steps, BreakpointsSplitWhereNoSemicolonIs) {
    const auto steps =
        plan_steps(script("create table a (i int)--> statement-breakpoint\ncreate table b (i int)"),
                   TransactionScope::kFile);
    ASSERT_TRUE(steps);
    ASSERT_EQ(steps->at(0).statements.size(), 2U);
    EXPECT_EQ(steps->at(0).statements[1].sql, "create table b (i int)");
    EXPECT_EQ(steps->at(0).statements[1].line, 2U);
}

TEST(Steps, TheFilesOwnTransactions) {
    EXPECT_EQ(shape("begin; select 1; commit; create index concurrently i on a (i); select 2"),
              "T1 A1 T1");
    // The way out of Drizzle's own transaction that people use.
    EXPECT_EQ(shape("commit; create index concurrently i on a (i); begin;"), "A1");
    EXPECT_EQ(shape("begin; select 1"), "m.sql:1: a transaction that the file does not COMMIT");
    EXPECT_NE(shape("begin;\nvacuum;\ncommit").find("m.sql:2: this cannot run inside"),
              std::string::npos);
    const auto steps = plan_steps(script("begin isolation level serializable; select 1; commit"),
                                  TransactionScope::kFile);
    ASSERT_TRUE(steps);
    EXPECT_EQ(steps->at(0).begin, "begin isolation level serializable");
}

TEST(Steps, QuotesAndBodiesAreNotSplit) {
    EXPECT_EQ(shape("do $$ begin perform 1; commit; end $$; select ';'"), "T2");
    EXPECT_EQ(shape("create function f() returns int language sql begin atomic select 1; end;"),
              "T1");
}

TEST(Steps, BackfillHints) {
    const auto steps =
        plan_steps(script("-- howdah:backfill key=b,a batch=70 pause_ms=5\nupdate t set x = 1;"),
                   TransactionScope::kFile);
    ASSERT_TRUE(steps);
    EXPECT_EQ(steps->at(0).kind, StepKind::kBackfill);
    EXPECT_EQ(steps->at(0).hint.key, "b,a");
    EXPECT_EQ(steps->at(0).hint.batch, 70);
    EXPECT_EQ(steps->at(0).hint.pause_ms, 5);
    EXPECT_EQ(shape("-- howdah:backfill\ninsert into t values (1);"), "T1");
}

TEST(Steps, StatementScope) {
    EXPECT_EQ(shape("select 1; select 2", TransactionScope::kStatement), "T1 T1");
}

TEST(Steps, UnknownSyntaxIsSentAsItIs) {
    EXPECT_EQ(shape("merge into newer syntax here; vacuum new syntax too (x"), "T1 A1");
}

TEST(Backfill, RangeIsPutIntoTheWhere) {
    EXPECT_EQ(batched_sql("update t set a = 1", "(id) <= (5)").value(),
              "update t set a = 1\nwhere (id) <= (5)");
    EXPECT_EQ(batched_sql("delete from t where a = 1 or b = 2 -- all", "id < 5").value(),
              "delete from t where id < 5 and (\n a = 1 or b = 2 -- all\n)");
    EXPECT_EQ(
        batched_sql("update t set a = (select 1 where true) where x is distinct from y", "id < 5")
            .value(),
        "update t set a = (select 1 where true) where id < 5 and (\n x is distinct from "
        "y\n)");
    EXPECT_FALSE(batched_sql("update t set a = o.a from o where o.id = t.id", "id < 5"));
    EXPECT_FALSE(batched_sql("with x as (select 1) delete from t", "id < 5"));
    EXPECT_FALSE(batched_sql("select 1", "id < 5"));
}

std::string inverse(std::string sql) {
    Script whole;
    whole.up = script(std::move(sql));
    const auto steps = plan_steps(whole.up, TransactionScope::kFile);
    const auto undone = inverse_of(whole, *steps);
    if (!undone) {
        return undone.error().message;
    }
    std::string text;
    for (const Step& step : *undone) {
        for (const Statement& statement : step.statements) {
            text += statement.sql + ";";
        }
    }
    return text;
}

TEST(Inverse, LastFirst) {
    EXPECT_EQ(inverse("create type m as enum ('a'); alter table t add column c int, add constraint "
                      "k check (c > 0);"),
              "alter table if exists \"t\" drop constraint if exists \"k\";alter table if exists "
              "\"t\" drop column if exists \"c\";drop type if exists \"m\";");
    EXPECT_EQ(inverse("create index concurrently i on app.t (c)"),
              "drop index concurrently if exists \"app\".\"i\";");
}

TEST(Inverse, PartsOfATableGoWithIt) {
    EXPECT_EQ(
        inverse("create table t (i int); create index on t (i); alter table t add unique (i)"),
        "drop table if exists \"t\";");
}

TEST(Inverse, WhatCannotBeUndoneSaysSo) {
    EXPECT_EQ(
        inverse("create table t (i int); insert into t select 1; alter table t rename i to j"),
        inverse("create table t (i int)"));
    for (const char* elsewhere :
         {"insert into u values (1)", "alter table t rename to u",
          "with gone as (delete from u returning *) insert into t select * from gone",
          "alter table t set schema app"}) {
        EXPECT_NE(inverse(std::string("create table t (i int); ") + elsewhere).find("cannot tell"),
                  std::string::npos)
            << elsewhere;
    }
    EXPECT_EQ(inverse("select 1;\ndrop table t;"),
              "m.sql:2: howdah cannot tell how to undo: drop table t");
    EXPECT_NE(inverse("create table if not exists t (i int)").find("cannot tell"),
              std::string::npos);
    EXPECT_NE(inverse("create index on t (i)").find("cannot tell"), std::string::npos);
}

TEST(Facts, LiteralsAreTakenOut) {
    EXPECT_EQ(without_literals("insert into t values ('secret', 42) -- note"),
              "insert into t values (?, ?)");
}

TEST(Drift, LinesThatDiffer) {
    EXPECT_EQ(line_differences("a\nb\nd", "a\nc\nd\ne"),
              (std::vector<std::string>{"- b", "+ c", "+ e"}));
    EXPECT_TRUE(line_differences("", "").empty());
}

}  // namespace
}  // namespace howdah::migrate::runner
