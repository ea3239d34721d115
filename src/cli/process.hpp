// The process's outside: pidfile, daemon, user, descriptor limit. Called before any thread starts.
#pragma once

#include <string>

#include "base/result.hpp"

namespace howdah::cli {

// Errors when another instance holds it; removes a stale one.
[[nodiscard]] Result<> check_pidfile(const std::string& path);
// `replace`: the process that wrote it before is the one we took over from.
[[nodiscard]] Result<> write_pidfile(const std::string& path, bool replace);
// Only when it still names this process: after a takeover it is another's.
void remove_pidfile(const std::string& path);

// Into the background: a new session, stdin, stdout and stderr to /dev/null. The parent exits.
[[nodiscard]] Result<> become_daemon();

// From root to this user and his groups, for good. No change when not root.
[[nodiscard]] Result<> drop_to_user(const std::string& user);

// As many descriptors as the hard limit allows: each client and each server takes one.
void raise_descriptor_limit();

}  // namespace howdah::cli
