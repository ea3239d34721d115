#include "config/userlist.hpp"

#include <gtest/gtest.h>

#include "config/testing.hpp"

namespace howdah::config {
namespace {

std::string password(const Userlist& users, std::string_view user) {
    const wire::Secret* found = users.find(user);
    return found == nullptr ? "(unknown)" : std::string(found->reveal());
}

TEST(Userlist, FieldsQuotesCommentsAndOrder) {
    Userlist users;
    const auto problems = parse_userlist(
        "\"ann\" \"one\"\n"
        "; \"nobody\" \"x\"\n"
        "\n   \"bob\"\t\"t\"\"wo\" rest is ignored \"really\"\n"
        "\"c\"\"d\" \"\"\n"
        "\"ann\" \"later\"",
        "users", users);
    EXPECT_TRUE(problems.empty());
    EXPECT_EQ(users.all().size(), 3u);
    EXPECT_EQ(password(users, "ann"), "later");
    EXPECT_EQ(password(users, "bob"), "t\"wo");
    EXPECT_EQ(password(users, "c\"d"), "");
    EXPECT_EQ(password(users, "nobody"), "(unknown)");
}

TEST(Userlist, ABrokenLineEndsTheFile) {
    const std::pair<std::string, const char*> cases[] = {
        {"ann \"x\"", "broken auth file"},
        {"\"ann", "broken auth file"},
        {"\"ann\"", "broken auth file"},
        {"\"ann\" \"open", "broken auth file"},
        {"\"" + std::string(200, 'u') + "\" \"x\"", "username too long in auth file"},
        {"\"u\" \"" + std::string(65531, 'p') + "\"", "password too long in auth file"},
    };
    for (const auto& [line, message] : cases) {
        Userlist users;
        const auto problems =
            parse_userlist("\"first\" \"1\"\n" + line + "\n\"last\" \"2\"\n", "users", users);
        ASSERT_EQ(problems.size(), 1u) << line.substr(0, 80);
        EXPECT_EQ(problems[0].message, message);
        EXPECT_EQ(problems[0].line, 2);
        EXPECT_EQ(password(users, "first"), "1");
    }
}

TEST(Userlist, KnowsWhatMostUsersHave) {
    const wire::Secret scram(
        "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    Userlist users;
    EXPECT_TRUE(users.mostly_scram());
    users.add("ann", wire::Secret("plain"));
    EXPECT_FALSE(users.mostly_scram());
    users.add("bob", scram);
    EXPECT_TRUE(users.mostly_scram());
    users.add("bob", scram);
    users.add("bob", wire::Secret("plain"));
    EXPECT_FALSE(users.mostly_scram());
    users.add("ann", scram);
    users.add("bob", scram);
    EXPECT_TRUE(users.mostly_scram());
}

TEST(FileStamp, ChangesWithTheFile) {
    const TempFolder folder;
    const std::string path = folder.write("f", "one");
    const FileStamp before = file_stamp(path);
    EXPECT_EQ(before, file_stamp(path));
    folder.write("f", "longer");
    EXPECT_NE(before, file_stamp(path));
    EXPECT_EQ(file_stamp(folder.path("none")), FileStamp());
}

}  // namespace
}  // namespace howdah::config
