// Stored passwords: what kind they are, and PostgreSQL's MD5 method in both directions.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "wire/secret.hpp"

namespace howdah::wire {

// What a userlist or pg_authid.rolpassword holds.
enum class PasswordKind : std::uint8_t { kPlain, kMd5, kScram };

// kMd5: "md5" and 32 hexadecimal digits; kScram: a whole verifier that parse_verifier() takes.
// Everything else is a plain password, as in PostgreSQL.
[[nodiscard]] PasswordKind classify_password(std::string_view stored);

using Md5Salt = std::array<char, 4>;  // as in AuthenticationMD5Password

// "md5" + hex(md5(password + user)): what PostgreSQL stores.
[[nodiscard]] Result<Secret> md5_stored(std::string_view password, std::string_view user);

// The PasswordMessage text for a salt, from a plain password or a stored "md5..." hash; fails for
// a SCRAM verifier, from which no MD5 answer can be made.
[[nodiscard]] Result<Secret> md5_response(std::string_view stored, std::string_view user,
                                          Md5Salt salt);

// Whether `response` (to AuthenticationMD5Password) proves the stored password (plain or MD5).
[[nodiscard]] Result<bool> md5_verify(std::string_view response, std::string_view stored,
                                      std::string_view user, Md5Salt salt);

// Whether a password sent in clear matches the stored one, of whatever kind.
[[nodiscard]] Result<bool> plain_verify(std::string_view password, std::string_view stored,
                                        std::string_view user);

}  // namespace howdah::wire
