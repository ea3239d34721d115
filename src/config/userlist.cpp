#include "config/userlist.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "wire/password.hpp"

namespace howdah::config {
namespace {

constexpr std::size_t kUserBytesMax = 128;  // PgBouncer's limits
constexpr std::size_t kPasswordBytesMax = 65531;

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

class UserlistParser {
  public:
    UserlistParser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

    std::vector<FileProblem> run(Userlist& users) {
        while (problems_.empty() && skip_to_line()) {
            line(users);
        }
        return std::move(problems_);
    }

  private:
    char at(std::size_t offset = 0) const {
        return position_ + offset < text_.size() ? text_[position_ + offset] : '\0';
    }
    bool done() const { return position_ >= text_.size(); }

    bool skip_to_line() {
        while (!done() && (is_space(at()) || at() == ';')) {
            position_ =
                at() == ';' ? std::min(text_.find('\n', position_), text_.size()) : position_ + 1;
        }
        return !done();
    }

    void line(Userlist& users) {
        std::string user;
        std::string password;
        if (at() == '"' && quoted(user)) {
            if (user.size() >= kUserBytesMax) {
                return problem("username too long in auth file");
            }
            position_ = std::min(text_.find_first_of("\"\n", position_), text_.size());
            if (at() == '"' && quoted(password)) {
                if (password.size() >= kPasswordBytesMax) {
                    return problem("password too long in auth file");
                }
                users.add(std::move(user), wire::Secret(password));
                explicit_bzero(password.data(), password.size());
                position_ = std::min(text_.find('\n', position_), text_.size());
                return;
            }
        }
        problem("broken auth file");
    }

    // At an opening quote. False when there is no closing one in this line.
    bool quoted(std::string& out) {
        for (++position_; !done() && at() != '\n'; ++position_) {
            if (at() == '"') {
                if (at(1) != '"') {
                    ++position_;
                    return true;
                }
                ++position_;
            }
            out.push_back(at());
        }
        return false;
    }

    void problem(std::string message) {
        const auto begin = text_.begin();
        const auto here = begin + static_cast<std::ptrdiff_t>(std::min(position_, text_.size()));
        problems_.push_back(
            {file_, 1 + static_cast<int>(std::count(begin, here, '\n')), std::move(message)});
    }

    std::string_view text_;
    const std::string& file_;
    std::size_t position_ = 0;
    std::vector<FileProblem> problems_;
};

}  // namespace

FileStamp file_stamp(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
        return {};
    }
    return {status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size),
            status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

void Userlist::add(std::string user, wire::Secret password) {
    const auto is_scram = [](const wire::Secret& stored) {
        return wire::classify_password(stored.reveal()) == wire::PasswordKind::kScram;
    };
    const auto before = users_.find(user);
    scram_secrets_ -= before != users_.end() && is_scram(before->second) ? 1 : 0;
    scram_secrets_ += is_scram(password) ? 1 : 0;
    users_.insert_or_assign(std::move(user), std::move(password));
}

const wire::Secret* Userlist::find(std::string_view user) const {
    const auto found = users_.find(user);
    return found == users_.end() ? nullptr : &found->second;
}

std::vector<FileProblem> parse_userlist(std::string_view text, const std::string& file,
                                        Userlist& users) {
    return UserlistParser(text, file).run(users);
}

}  // namespace howdah::config
