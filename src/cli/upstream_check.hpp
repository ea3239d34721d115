// UpstreamCheck: tells at the start what else the first client would find out: whether the server
// of
// --upstream can be reached, and takes the login. One connection, on its own thread, into the log.
// Nothing waits for it and nothing depends on it.
#pragma once

#include <string>
#include <string_view>
#include <thread>

namespace howdah::cli {

class UpstreamCheck {
  public:
    // `upstream` as upstream_from() gives it; "": nothing is checked.
    explicit UpstreamCheck(const std::string& upstream);
    ~UpstreamCheck();  // waits for its end: three seconds at most
    UpstreamCheck(const UpstreamCheck&) = delete;
    UpstreamCheck& operator=(const UpstreamCheck&) = delete;

  private:
    std::thread thread_;
};

// libpq's message on one line, and what to do where the reason is a usual one.
[[nodiscard]] std::string explain_failure(std::string_view message, bool in_container);

}  // namespace howdah::cli
