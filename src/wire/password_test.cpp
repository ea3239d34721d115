#include "wire/password.hpp"

#include <gtest/gtest.h>

#include "wire/crypto.hpp"
#include "wire/scram.hpp"

namespace howdah::wire {
namespace {

// Made by PostgreSQL 15: role m1, password "secret", password_encryption = md5.
constexpr std::string_view kMd5OfSecret = "md5132ecbcbfa11be529b63ea4c4e734056";
constexpr Md5Salt kSalt = {'\x01', '\xff', '\x00', 'z'};

TEST(Password, Classify) {
    EXPECT_EQ(classify_password(""), PasswordKind::kPlain);
    EXPECT_EQ(classify_password("secret"), PasswordKind::kPlain);
    EXPECT_EQ(classify_password(kMd5OfSecret), PasswordKind::kMd5);
    EXPECT_EQ(classify_password("md5132ecbcbfa11be529b63ea4c4e73405"), PasswordKind::kPlain);
    EXPECT_EQ(classify_password("md5132ecbcbfa11be529b63ea4c4e73405g"), PasswordKind::kPlain);
    EXPECT_EQ(classify_password(make_verifier("x", "salt", 1).text()), PasswordKind::kScram);
    EXPECT_EQ(classify_password("SCRAM-SHA-256$broken"), PasswordKind::kPlain);
}

TEST(Password, Md5BothDirections) {
    EXPECT_EQ(md5_stored("secret", "m1")->reveal(), kMd5OfSecret);
    const auto from_plain = md5_response("secret", "m1", kSalt);
    const auto from_stored = md5_response(kMd5OfSecret, "m1", kSalt);
    ASSERT_TRUE(from_plain && from_stored);
    EXPECT_EQ(*from_plain, *from_stored);
    EXPECT_EQ(from_plain->size(), 35u);

    EXPECT_TRUE(*md5_verify(from_plain->reveal(), kMd5OfSecret, "m1", kSalt));
    EXPECT_TRUE(*md5_verify(from_plain->reveal(), "secret", "m1", kSalt));
    EXPECT_FALSE(*md5_verify(from_plain->reveal(), "secret", "m2", kSalt));
    EXPECT_FALSE(*md5_verify(from_plain->reveal(), "secret", "m1", {'a', 'b', 'c', 'd'}));
    EXPECT_FALSE(*md5_verify("", "secret", "m1", kSalt));
    EXPECT_FALSE(md5_response(make_verifier("secret", "salt", 1).text(), "m1", kSalt));
}

TEST(Password, PlainAgainstEachKind) {
    for (const std::string& stored : {std::string("secret"), std::string(kMd5OfSecret),
                                      make_verifier("secret", "salt", 1).text()}) {
        EXPECT_TRUE(*plain_verify("secret", stored, "m1")) << stored;
        EXPECT_FALSE(*plain_verify("Secret", stored, "m1")) << stored;
        EXPECT_FALSE(*plain_verify("", stored, "m1")) << stored;
    }
}

TEST(Secret, NeverPrintsAndCompares) {
    Secret one("hunter2");
    EXPECT_EQ(fmt::format("{}", one), "****");
    Secret two = one;
    EXPECT_TRUE(one == two);
    const Secret moved = std::move(one);
    EXPECT_EQ(moved.reveal(), "hunter2");
    two = Secret("hunter3");
    EXPECT_FALSE(moved == two);
    two.clear();
    EXPECT_TRUE(two.empty());
    EXPECT_TRUE(two == Secret());
}

TEST(Base64, Rfc4648VectorsAndStrictness) {
    const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                           {"f", "Zg=="},
                                                           {"fo", "Zm8="},
                                                           {"foo", "Zm9v"},
                                                           {"foob", "Zm9vYg=="},
                                                           {"fooba", "Zm9vYmE="},
                                                           {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : vectors) {
        EXPECT_EQ(base64_encode(bytes), text);
        EXPECT_EQ(base64_decode(text), bytes);
    }
    for (const char* bad : {"Z", "Zg", "Zg=", "Zg==Zg==", "Zh==", "Zm9=", "=",
                            "====", "Z===", "Zm 9", "Zm9v\n", "Zm-_"}) {
        EXPECT_EQ(base64_decode(bad), std::nullopt) << bad;
    }
}

}  // namespace
}  // namespace howdah::wire
