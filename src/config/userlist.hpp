// Users and their stored passwords, from a PgBouncer auth_file:
//
//     "user" "password, md5..., or SCRAM-SHA-256$..." anything
//     ; a comment
//
// A double quote inside is written twice. Later lines win.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "wire/secret.hpp"

namespace howdah::config {

// What tells that a file changed; all zero when it cannot be looked at.
struct FileStamp {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const FileStamp&, const FileStamp&) = default;
};
[[nodiscard]] FileStamp file_stamp(const std::string& path);

class Userlist {
  public:
    void add(std::string user, wire::Secret password);

    // The stored password; nullptr for an unknown user. May be empty.
    [[nodiscard]] const wire::Secret* find(std::string_view user) const;
    [[nodiscard]] const std::map<std::string, wire::Secret, std::less<>>& all() const {
        return users_;
    }
    // Whether at least half of the passwords are SCRAM secrets: what a user whom nobody knows is
    // taken for.
    [[nodiscard]] bool mostly_scram() const { return 2 * scram_secrets_ >= users_.size(); }
    friend bool operator==(const Userlist& a, const Userlist& b) { return a.users_ == b.users_; }

    FileStamp stamp;  // of the auth_file; refresh_userlist() compares it

  private:
    std::map<std::string, wire::Secret, std::less<>> users_;
    std::size_t scram_secrets_ = 0;  // of users_
};

// One complaint about a line of a userlist, HBA or ident file.
struct FileProblem {
    std::string file;
    int line = 0;
    std::string message;  // with PgBouncer's words
    bool ignored = true;  // the line has no effect
};

// Like PgBouncer, a broken line ends the file; the users before it stay.
[[nodiscard]] std::vector<FileProblem> parse_userlist(std::string_view text,
                                                      const std::string& file, Userlist& users);

}  // namespace howdah::config
