#include "proxy/verifier_cache.hpp"

#include <gtest/gtest.h>

namespace howdah::proxy {
namespace {

const wire::Secret kProcess{std::string_view("process secret")};
const wire::Secret kPassword{std::string_view("correct horse")};

TEST(VerifierCache, ComputesOncePerPassword) {
    VerifierCache cache(kProcess);
    const wire::ScramVerifier first = cache.find("ann", kPassword, 64);
    EXPECT_TRUE(first.matches("correct horse"));
    EXPECT_EQ(cache.find("ann", kPassword, 64).text(), first.text());
    EXPECT_EQ(cache.computed(), 1U);
    const wire::Secret changed{std::string_view("battery staple")};
    EXPECT_TRUE(cache.find("ann", changed, 64).matches("battery staple"));
    EXPECT_EQ(cache.find("ann", changed, 128).iterations, 128);
    EXPECT_EQ(cache.computed(), 3U);
}

// A known and an unknown user show the same kind of salt, asked twice or on another loop.
TEST(VerifierCache, SaltTellsNothing) {
    VerifierCache one_loop(kProcess);
    VerifierCache another(kProcess);
    EXPECT_EQ(one_loop.find("ann", kPassword, 64).salt, another.mock("ann", 64).salt);
    EXPECT_EQ(one_loop.mock("nobody", 64).salt, another.mock("nobody", 64).salt);
    EXPECT_NE(one_loop.mock("nobody", 64).salt, one_loop.mock("ann", 64).salt);
    EXPECT_FALSE(one_loop.mock("ann", 64).matches("correct horse"));
}

}  // namespace
}  // namespace howdah::proxy
