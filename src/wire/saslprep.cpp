#include "wire/saslprep.hpp"

#include <openssl/crypto.h>
#include <stringprep.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

namespace howdah::wire {

Secret saslprep(std::string_view password) {
    const bool ascii = std::all_of(password.begin(), password.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (ascii || password.find('\0') != std::string_view::npos) {
        return Secret(password);
    }
    std::string input(password);  // libidn wants a terminated string
    char* output = nullptr;
    // Stored-string rules: characters that Unicode 3.2 had not assigned are refused.
    const int status =
        stringprep_profile(input.c_str(), &output, "SASLprep", STRINGPREP_NO_UNASSIGNED);
    OPENSSL_cleanse(input.data(), input.size());
    if (status != STRINGPREP_OK || output == nullptr) {
        return Secret(password);
    }
    const std::size_t size = std::strlen(output);
    const Secret prepared(size == 0 ? password : std::string_view(output, size));
    OPENSSL_cleanse(output, size);
    std::free(output);
    return prepared;
}

}  // namespace howdah::wire
