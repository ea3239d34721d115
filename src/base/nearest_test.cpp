#include "base/nearest.hpp"

#include <gtest/gtest.h>

namespace howdah {
namespace {

constexpr std::string_view kNames[] = {"lint", "migrate", "deploy", "serve"};

TEST(Nearest, AFewWrongLettersAreForgiven) {
    EXPECT_EQ(nearest("lnt", kNames), "lint");
    EXPECT_EQ(nearest("Serve", kNames), "serve");
    EXPECT_EQ(nearest("migarte", kNames), "migrate");
    EXPECT_EQ(did_you_mean("depoly", kNames), "; did you mean \"deploy\"?");
}

TEST(Nearest, WhatIsFarIsNotGuessed) {
    EXPECT_EQ(nearest("advise", kNames), "");
    EXPECT_EQ(nearest("xyz", {}), "");
    EXPECT_EQ(did_you_mean("reindex", kNames), "");
}

}  // namespace
}  // namespace howdah
