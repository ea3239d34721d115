#include "auth/libldap.hpp"

#include "base/assert.hpp"
#include "base/shared_library.hpp"

namespace howdah::auth {
namespace {

Result<Libldap> load() {
    auto library = SharedLibrary::open("libldap.so.2", "libldap2");
    if (!library) {  // before OpenLDAP 2.6
        library = SharedLibrary::open("libldap-2.5.so.0", "libldap-2.5-0");
    }
    TRY(const SharedLibrary opened, std::move(library));
    Libldap functions;
    const char* missing = nullptr;
#define FUNCTION(name) missing = opened.get(#name, functions.name) ? missing : #name;
#include "auth/libldap_functions.inc"
#undef FUNCTION
    if (missing != nullptr) {
        return fail(ErrorCode::kUnavailable, std::string("libldap has no ") + missing);
    }
    return functions;
}

const Result<Libldap>& loaded() {
    static const Result<Libldap> once = load();
    return once;
}

}  // namespace

Result<> load_libldap() {
    const Result<Libldap>& functions = loaded();
    return functions ? Result<>() : fail(functions.error());
}

const Libldap& libldap() {
    const Result<Libldap>& functions = loaded();
    ASSERT(functions.has_value());
    return *functions;
}

}  // namespace howdah::auth
