// Whether a server's certificate is for the host that was asked for, as libpq 15 decides it
// (PostgreSQL's manual, "SSL Support: Client Verification of Server Certificates").
//
//     host is     is held against
//     a name      names of type dNSName; the common name when there is none of that type
//     an address  addresses of type iPAddress and names of type dNSName; the common name when there
//                 is none of type iPAddress
//
// A name "*.example.net" is for every host with one label in front of example.net; an address has
// no wildcard. Private to net.
#pragma once

#include <string>
#include <string_view>

struct x509_st;

namespace howdah::net {

// `name` is from a certificate and may hold anything.
[[nodiscard]] bool name_is_for_host(std::string_view name, std::string_view host);

// The subject's common name in UTF-8, a NUL in it kept; "" where there is none.
[[nodiscard]] std::string common_name(x509_st* certificate);

[[nodiscard]] bool certificate_is_for_host(x509_st* certificate, const std::string& host);

}  // namespace howdah::net
