// SharedLibrary: one of the system's libraries, loaded when it is first needed (ADR 0021).
//
// libpq and libcurl bring 35 more libraries with them, which cost each start of the program 5 ms;
// most commands, and the proxy, never call them. Opened once and kept until the process ends; any
// thread. The library's own header gives the types, so that a call is checked as a linked one is:
//
//   struct Api { decltype(&::PQclear) PQclear; };
//   library.get("PQclear", api.PQclear);
#pragma once

#include <string>

#include "base/result.hpp"

namespace howdah {

class SharedLibrary {
  public:
    // soname: with its version, as the linker writes it down ("libpq.so.5").
    // Error: kUnavailable, naming the library and, as a hint, Debian's `package` for it.
    static Result<SharedLibrary> open(const std::string& soname, const std::string& package);

    // What LD_PRELOAD puts in front of it, as for a linked library: it is how libraries are
    // wrapped. The function's address into `function`; false when the library has none of that
    // name.
    template <typename Function>
    [[nodiscard]] bool get(const char* name, Function*& function) const {
        function = reinterpret_cast<Function*>(address(name));
        return function != nullptr;
    }

  private:
    explicit SharedLibrary(void* handle) : handle_(handle) {}
    void* address(const char* name) const;

    void* handle_;
};

}  // namespace howdah
