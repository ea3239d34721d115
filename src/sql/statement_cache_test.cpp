#include "sql/statement_cache.hpp"

#include <gtest/gtest.h>

#include <string>

namespace howdah::sql {
namespace {

TEST(StatementCache, SameTextThenSameShapeThenNothingParsed) {
    StatementCache cache(100, 1 << 20, 1);
    const Statement* first = cache.analyze("SELECT a FROM t WHERE id = 1");
    EXPECT_EQ(cache.counters().parses, 1U);
    EXPECT_EQ(cache.analyze("SELECT a FROM t WHERE id = 1"), first);
    EXPECT_EQ(cache.counters().text_hits, 1U);
    EXPECT_EQ(cache.analyze("select a\n from t where id=22 -- x"), first);
    EXPECT_EQ(cache.counters().shape_hits, 1U);
    EXPECT_EQ(cache.counters().parses, 1U);
    EXPECT_EQ(first->effects, kReadOnly);
    EXPECT_EQ(first->normalized, "select a from t where id = $1");
    EXPECT_EQ(first->tables_read, (std::vector<Name>{{"", "t"}}));
}

}  // namespace
}  // namespace howdah::sql
