// libcurl, loaded when something is first asked for (base/shared_library.hpp). Inside `http` only.
#pragma once

#include <curl/curl.h>

namespace howdah::http {

struct Libcurl {
#define FUNCTION(name) decltype(&::name) name = nullptr;
#include "http/libcurl_functions.inc"
#undef FUNCTION
};

}  // namespace howdah::http
