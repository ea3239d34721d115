#include "config/effective.hpp"

#include <gtest/gtest.h>

#include "config/options.hpp"

namespace howdah::config {
namespace {

using std::chrono::seconds;

TEST(Effective, UserBeforeDatabaseBeforeGlobal) {
    Config config;
    config.settings = default_settings(true);
    DatabaseSettings database;
    EXPECT_EQ(effective(config, database, "ann").pool_size, 20);
    EXPECT_EQ(effective(config, database, "ann").pool_mode, PoolMode::kSession);
    EXPECT_EQ(effective(config, database, "ann").query_wait_timeout, seconds(120));

    database.pool_size = 7;
    database.min_pool_size = 9;
    database.pool_mode = PoolMode::kStatement;
    database.query_wait_timeout = seconds(0);
    database.max_db_connections = 0;
    database.server_lifetime = seconds(0);
    database.sslmode = SslMode::kVerifyFull;
    config.settings.max_db_connections = 50;
    const Effective by_database = effective(config, database, "ann");
    EXPECT_EQ(by_database.pool_size, 7);
    EXPECT_EQ(by_database.min_pool_size, 7);  // never more than the pool
    EXPECT_EQ(by_database.pool_mode, PoolMode::kStatement);
    EXPECT_EQ(by_database.query_wait_timeout, seconds(0));
    EXPECT_EQ(by_database.max_db_connections, 50);
    EXPECT_EQ(by_database.server_lifetime, seconds(3600));
    EXPECT_EQ(by_database.sslmode, SslMode::kVerifyFull);

    UserSettings& ann = config.users["ann"];
    ann.pool_size = 3;
    ann.pool_mode = PoolMode::kTransaction;
    ann.query_wait_timeout = seconds(4);
    ann.query_timeout = seconds(5);
    const Effective by_user = effective(config, database, "ann");
    EXPECT_EQ(by_user.pool_size, 3);
    EXPECT_EQ(by_user.pool_mode, PoolMode::kTransaction);
    EXPECT_EQ(by_user.query_wait_timeout, seconds(4));
    EXPECT_EQ(by_user.query_timeout, seconds(5));
    EXPECT_EQ(effective(config, database, "bob").pool_size, 7);
}

}  // namespace
}  // namespace howdah::config
