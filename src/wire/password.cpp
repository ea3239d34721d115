#include "wire/password.hpp"

#include <algorithm>

#include "wire/crypto.hpp"
#include "wire/scram.hpp"

namespace howdah::wire {
namespace {

constexpr std::size_t kMd5StoredBytes = 35;

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

Result<Secret> md5_of(std::string_view first, std::string_view second) {
    std::string joined;
    joined.reserve(first.size() + second.size());  // so that no copy is left behind by growing
    joined.append(first).append(second);
    auto hex = md5_hex(joined);
    explicit_bzero(joined.data(), joined.size());
    if (!hex) {
        return std::unexpected(std::move(hex).error());
    }
    return Secret("md5" + *hex);
}

}  // namespace

PasswordKind classify_password(std::string_view stored) {
    if (stored.size() == kMd5StoredBytes && stored.starts_with("md5") &&
        std::all_of(stored.begin() + 3, stored.end(), is_hex)) {
        return PasswordKind::kMd5;
    }
    return parse_verifier(stored) ? PasswordKind::kScram : PasswordKind::kPlain;
}

Result<Secret> md5_stored(std::string_view password, std::string_view user) {
    return md5_of(password, user);
}

Result<Secret> md5_response(std::string_view stored, std::string_view user, Md5Salt salt) {
    Secret hash(stored);
    switch (classify_password(stored)) {
        case PasswordKind::kScram:
            return fail(Error(ErrorCode::kRefused, "28P01",
                              "a SCRAM secret cannot answer an md5 password request",
                              "give the plain or md5 password of this user"));
        case PasswordKind::kPlain: {
            TRY(hash, md5_stored(stored, user));
            break;
        }
        case PasswordKind::kMd5:
            break;
    }
    return md5_of(hash.reveal().substr(3), {salt.data(), salt.size()});
}

Result<bool> md5_verify(std::string_view response, std::string_view stored, std::string_view user,
                        Md5Salt salt) {
    TRY(const Secret expected, md5_response(stored, user, salt));
    return equal_constant_time(response, expected.reveal());
}

Result<bool> plain_verify(std::string_view password, std::string_view stored,
                          std::string_view user) {
    switch (classify_password(stored)) {
        case PasswordKind::kPlain:
            return equal_constant_time(password, stored);
        case PasswordKind::kMd5: {
            TRY(const Secret hash, md5_stored(password, user));
            return equal_constant_time(hash.reveal(), stored);
        }
        case PasswordKind::kScram:
            break;
    }
    TRY(const ScramVerifier verifier, parse_verifier(stored));
    return verifier.matches(password);
}

}  // namespace howdah::wire
