#include "pg/libpq.hpp"

#include "base/assert.hpp"
#include "base/shared_library.hpp"

namespace howdah::pg {
namespace {

Result<Libpq> load() {
    TRY(const SharedLibrary library, SharedLibrary::open("libpq.so.5", "libpq5"));
    Libpq functions;
    const char* missing = nullptr;
#define FUNCTION(name) missing = library.get(#name, functions.name) ? missing : #name;
#include "pg/libpq_functions.inc"
#undef FUNCTION
    if (missing != nullptr) {
        return fail(ErrorCode::kUnavailable, std::string("libpq.so.5 has no ") + missing);
    }
    return functions;
}

const Result<Libpq>& loaded() {
    static const Result<Libpq> once = load();
    return once;
}

}  // namespace

Result<> load_libpq() {
    const Result<Libpq>& functions = loaded();
    return functions ? Result<>() : fail(functions.error());
}

const Libpq& libpq() {
    const Result<Libpq>& functions = loaded();
    ASSERT(functions.has_value());
    return *functions;
}

}  // namespace howdah::pg
