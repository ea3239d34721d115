#include "net/server_name.hpp"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <strings.h>

#include <memory>
#include <vector>

namespace howdah::net {
namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// A NUL inside would let "db.example\0.evil" pass for "db.example" (CVE-2009-4034).
std::string_view without_nul(std::string_view name) {
    return name.find('\0') == std::string_view::npos ? name : std::string_view();
}

// 4 or 16 bytes in network order; empty: not an address.
std::vector<unsigned char> address_bytes(const std::string& host) {
    std::vector<unsigned char> bytes(16);
    if (::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1) {
        bytes.resize(4);
    } else if (::inet_pton(AF_INET6, host.c_str(), bytes.data()) != 1) {
        bytes.clear();
    }
    return bytes;
}

std::string_view text_of(const ASN1_STRING* string) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
            static_cast<std::size_t>(ASN1_STRING_length(string))};
}

struct NamesFree {
    void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

}  // namespace

std::string common_name(X509* certificate) {
    X509_NAME* subject = X509_get_subject_name(certificate);
    const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (index < 0) {
        return {};
    }
    unsigned char* utf8 = nullptr;
    const int length =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
    if (length < 0) {
        return {};
    }
    const std::string name(reinterpret_cast<char*>(utf8), static_cast<std::size_t>(length));
    OPENSSL_free(utf8);
    return name;
}

bool name_is_for_host(std::string_view name, std::string_view host) {
    name = without_nul(name);
    if (name.empty() || host.empty()) {
        return false;
    }
    if (equal_ignoring_case(name, host)) {
        return true;
    }
    const std::size_t dot = host.find('.');
    return name.size() > 2 && name.starts_with("*.") && dot != std::string_view::npos && dot > 0 &&
           equal_ignoring_case(name.substr(1), host.substr(dot));
}

bool certificate_is_for_host(X509* certificate, const std::string& host) {
    const std::vector<unsigned char> address = address_bytes(host);
    const bool numeric = !address.empty();
    const auto matches = [&](std::string_view name) {
        return numeric ? equal_ignoring_case(without_nul(name), host)
                       : name_is_for_host(name, host);
    };
    const std::unique_ptr<GENERAL_NAMES, NamesFree> names(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    bool has_own_type = false;
    for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* one = sk_GENERAL_NAME_value(names.get(), i);
        has_own_type = has_own_type || one->type == (numeric ? GEN_IPADD : GEN_DNS);
        if (one->type == GEN_DNS && matches(text_of(one->d.dNSName))) {
            return true;
        }
        if (numeric && one->type == GEN_IPADD &&
            text_of(one->d.iPAddress) ==
                std::string_view(reinterpret_cast<const char*>(address.data()), address.size())) {
            return true;
        }
    }
    return !has_own_type && matches(common_name(certificate));
}

}  // namespace howdah::net
