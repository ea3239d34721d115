#include "migrate/interpreter.hpp"

#include <gtest/gtest.h>

#include "sql/tree.hpp"

namespace howdah::migrate {
namespace {

std::size_t actions_of(const std::string& text) {
    Schema schema;
    std::size_t actions = 0;
    std::uint32_t migration = 1;
    for (const sql::ScriptStatement& statement : sql::parse_script(text)) {
        EXPECT_TRUE(statement.tree.has_value()) << text;
        Interpreter(schema, migration++)
            .run(*statement.tree->first(),
                 {.text = text, .begin = statement.begin, .end = statement.end},
                 [&](Action& /*action*/) { ++actions; });
    }
    return actions;
}

// PostgreSQL refuses all of these; the parser does not, and each walk must end.
TEST(Interpreter, TablesThatContainEachOther) {
    EXPECT_EQ(actions_of("CREATE TABLE p (a int) PARTITION BY LIST (a);"
                         "CREATE TABLE q (a int) PARTITION BY LIST (a);"
                         "ALTER TABLE p ATTACH PARTITION q FOR VALUES IN (1);"
                         "ALTER TABLE q ATTACH PARTITION p FOR VALUES IN (1);"
                         "ALTER TABLE q ATTACH PARTITION q FOR VALUES IN (2);"
                         "ALTER TABLE p INHERIT p; CREATE INDEX ON p (a); ALTER TABLE p ADD UNIQUE "
                         "(a); ALTER TABLE q ADD b int; UPDATE p SET a = 1; DROP TABLE p CASCADE;"),
              11U);
}

TEST(Interpreter, ViewsOverThemselves) {
    EXPECT_EQ(actions_of("CREATE VIEW v AS SELECT * FROM w; CREATE VIEW w AS SELECT * FROM v;"
                         "CREATE VIEW x AS SELECT * FROM x, v; ALTER TABLE v DROP COLUMN a CASCADE;"
                         "DROP VIEW x CASCADE; DROP TABLE v CASCADE;"),
              6U);
}

TEST(Interpreter, KeysThatPointInACircle) {
    EXPECT_EQ(actions_of("CREATE TABLE a (x int REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE);"
                         "CREATE TABLE b (x int REFERENCES a (x) ON DELETE CASCADE);"
                         "ALTER TABLE a ADD FOREIGN KEY (x) REFERENCES b (x) ON DELETE CASCADE ON "
                         "UPDATE SET NULL; DELETE FROM a; UPDATE b SET x = 1; TRUNCATE a CASCADE;"),
              6U);
}

}  // namespace
}  // namespace howdah::migrate
