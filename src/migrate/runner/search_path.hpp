// SearchPath: a session's search_path for a while, so that names are looked up where a migration
// that sets its own would look them up. Owned by one call, on the connection's thread.
#pragma once

#include <string>

#include "pg/connection.hpp"

namespace howdah::migrate::runner {

class SearchPath {
  public:
    // An empty path changes nothing.
    SearchPath(pg::Connection& db, const std::string& path) : db_(db), set_(!path.empty()) {
        if (set_) {
            const auto now = db_.query("select current_setting('search_path')");
            before_ = now ? now->string(0, 0) : std::string();
            set_ = now && set(path);
        }
    }
    ~SearchPath() {
        if (set_) {
            (void)set(before_);
        }
    }
    SearchPath(const SearchPath&) = delete;
    SearchPath& operator=(const SearchPath&) = delete;

  private:
    bool set(const std::string& path) {
        return db_.execute("select set_config('search_path', $1, false)", {path}).has_value();
    }

    pg::Connection& db_;
    std::string before_;
    bool set_;
};

}  // namespace howdah::migrate::runner
