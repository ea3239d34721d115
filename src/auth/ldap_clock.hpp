// A deadline under everything that libldap reads and writes on a connection. Its own time-outs are
// for whole answers only: in the middle of a message, and in a TLS handshake (libldap 2.5 with
// GnuTLS), it would wait for a silent server for ever. Inside `auth` only.
//
//     libldap -> TLS -> this layer: wait for the socket, at most until the deadline -> socket
#pragma once

#include <chrono>

#include "auth/libldap.hpp"

namespace howdah::auth {

class LdapClock {
  public:
    explicit LdapClock(std::chrono::steady_clock::time_point deadline);
    LdapClock(const LdapClock&) = delete;
    LdapClock& operator=(const LdapClock&) = delete;

    // Every connection that `handle` opens from now on. This must outlive the handle.
    void watch(LDAP* handle);
    // What is left; not positive: the deadline is over.
    [[nodiscard]] std::chrono::microseconds left() const;

  private:
    static int connected(LDAP* handle, Sockbuf* socket, LDAPURLDesc* server, sockaddr* address,
                         ldap_conncb* self);
    static void closing(LDAP* handle, Sockbuf* socket, ldap_conncb* self);

    const std::chrono::steady_clock::time_point deadline_;
    ldap_conncb callbacks_;
};

}  // namespace howdah::auth
