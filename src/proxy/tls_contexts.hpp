// TlsContexts: what a configuration says about TLS, ready for handshakes. Immutable; made whole
// before it replaces another, so that a wrong file leaves the old ones in force. Connections keep
// the one they began with.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "config/config.hpp"
#include "net/tls.hpp"

namespace howdah::proxy {

class TlsContexts {
  public:
    // Errors name the file or option that cannot be used, and OpenSSL's reason.
    static Result<std::shared_ptr<const TlsContexts>> create(const config::Config& config);

    // Null: clients cannot use TLS.
    const std::shared_ptr<const net::TlsContext>& client() const { return client_; }
    // For servers of an entry of [databases]; null: its sslmode is disable.
    std::shared_ptr<const net::TlsContext> server_for(std::string_view database) const;

  private:
    std::shared_ptr<const net::TlsContext> client_;
    std::shared_ptr<const net::TlsContext> server_;
    std::map<std::string, std::shared_ptr<const net::TlsContext>, std::less<>> databases_;
    std::shared_ptr<const net::TlsContext> autodb_;  // of databases made from "*"
};

}  // namespace howdah::proxy
