#include "migrate/lint/script.hpp"

#include <gtest/gtest.h>

namespace howdah::migrate::lint {
namespace {

TEST(Templates, AnAtSignIsAPlaceholderWhereItIsNoOperator) {
    const Script script = read_script(
        "CREATE TABLE @cdm.person (id int);\n"
        "ALTER TABLE @cdm.person ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES @cdm.place (id);\n"
        "SELECT @t.balance FROM t;\n"
        "INSERT INTO t VALUES ('me@example.org');\n",
        Tool::kPlain);
    ASSERT_EQ(script.statements.size(), 4U);
    for (const sql::ScriptStatement& statement : script.statements) {
        EXPECT_TRUE(statement.tree.has_value()) << statement.in(script.text);
    }
    EXPECT_EQ(script.statements[0].in(script.clean), "CREATE TABLE _cdm.person (id int)");
    EXPECT_EQ(script.statements[2].in(script.clean), "SELECT @t.balance FROM t") << "abs()";
    EXPECT_NE(script.clean.find("me@example.org"), std::string::npos);
    EXPECT_EQ(script.clean.size(), script.text.size());
    EXPECT_TRUE(script.rewritten);
}

TEST(Templates, WhatDoesNotParseAllTheSameKeepsItsError) {
    const Script script = read_script("CREATE TABLE @cdm.person (id int;\n", Tool::kPlain);
    ASSERT_EQ(script.statements.size(), 1U);
    ASSERT_FALSE(script.statements[0].tree);
    EXPECT_NE(script.clean.find("@cdm"), std::string::npos);
}

TEST(Rewritten, OnlyWhenPostgresWouldBeGivenSomethingElse) {
    EXPECT_FALSE(read_script("SELECT 1; -- a comment\n", Tool::kPlain).rewritten);
    EXPECT_FALSE(read_script("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n", Tool::kGoose)
                     .rewritten);
    EXPECT_TRUE(read_script("SELECT ${x};\n", Tool::kFlyway).rewritten);
    EXPECT_TRUE(read_script("\\set x 1\nSELECT 1;\n", Tool::kPlain).rewritten);
    EXPECT_TRUE(read_script("COPY t FROM STDIN;\n1\n\\.\nSELECT 1;\n", Tool::kPlain).rewritten);
}

TEST(NoTransaction, GraphileReadsTheFirstLineOfTheBodyAlone) {
    const std::string head = "--! Previous: -\n--! Hash: sha1:0\n\n";
    const auto asks = [&](const std::string& body) {
        return read_script(head + body, Tool::kGraphile).no_transaction;
    };
    EXPECT_TRUE(asks("--! no-transaction\nVACUUM t;\n"));
    EXPECT_TRUE(asks("--!no-transaction\nVACUUM t;\n"));
    EXPECT_FALSE(asks("SELECT 1;\n--! no-transaction\nVACUUM t;\n"));
    EXPECT_FALSE(asks("-- why\n--! no-transaction\nVACUUM t;\n"));
}

}  // namespace
}  // namespace howdah::migrate::lint
