#include "base/shared_library.hpp"

#include <dlfcn.h>

namespace howdah {

Result<SharedLibrary> SharedLibrary::open(const std::string& soname, const std::string& package) {
    void* handle = ::dlopen(soname.c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (handle == nullptr) {
        const char* reason = ::dlerror();
        return fail(Error(ErrorCode::kUnavailable, "",
                          reason != nullptr ? reason : soname + " cannot be loaded",
                          "install the package " + package));
    }
    return SharedLibrary(handle);
}

void* SharedLibrary::address(const char* name) const {
    void* preloaded = ::dlsym(RTLD_DEFAULT, name);
    return preloaded != nullptr ? preloaded : ::dlsym(handle_, name);
}

}  // namespace howdah
