#include "http/get.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/shared_library.hpp"
#include "http/libcurl.hpp"

namespace howdah::http {
namespace {

Result<Libcurl> load() {
    TRY(const SharedLibrary library, SharedLibrary::open("libcurl.so.4", "libcurl4"));
    Libcurl functions;
    const char* missing = nullptr;
#define FUNCTION(name) missing = library.get(#name, functions.name) ? missing : #name;
#include "http/libcurl_functions.inc"
#undef FUNCTION
    if (missing != nullptr) {
        return fail(ErrorCode::kUnavailable, std::string("libcurl.so.4 has no ") + missing);
    }
    if (functions.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return fail(ErrorCode::kUnavailable, "libcurl cannot be initialised");
    }
    return functions;
}

struct Body {
    Answer& answer;
    std::size_t bytes_max;
};

std::size_t collect(char* data, std::size_t size, std::size_t count, void* into) {
    auto& body = *static_cast<Body*>(into);
    const std::size_t room = body.bytes_max - body.answer.body.size();
    body.answer.body.append(data, std::min(room, size * count));
    body.answer.cut = body.answer.cut || size * count > room;
    return size * count;
}

// Hosts that no proxy of the environment is asked for: this machine, a proxy elsewhere cannot
// reach. libcurl takes no_proxy from the environment only where nothing is set, so it is said
// again.
std::string without_proxy() {
    std::string hosts = "localhost,127.0.0.0/8,::1";
    for (const char* name : {"no_proxy", "NO_PROXY"}) {
        if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
            return *value == '*' ? "*" : hosts + "," + value;
        }
    }
    return hosts;
}

}  // namespace

Result<Answer> get(const Call& call) {
    static const Result<Libcurl> loaded = load();
    if (!loaded) {
        return fail(loaded.error());
    }
    const Libcurl& curl = *loaded;
    const std::unique_ptr<CURL, void (*)(CURL*)> easy(curl.curl_easy_init(),
                                                      curl.curl_easy_cleanup);
    if (easy == nullptr) {
        return fail(ErrorCode::kInternal, "libcurl is out of memory");
    }
    std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(nullptr, curl.curl_slist_free_all);
    if (!call.token.empty()) {
        headers.reset(
            curl.curl_slist_append(nullptr, ("Authorization: Bearer " + call.token).c_str()));
    }
    Answer answer;
    Body body{.answer = answer, .bytes_max = call.body_bytes_max};
    char error[CURL_ERROR_SIZE] = "";
    curl.curl_easy_setopt(easy.get(), CURLOPT_URL, call.url.c_str());
    curl.curl_easy_setopt(easy.get(), CURLOPT_PROTOCOLS_STR, "http,https");
    curl.curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
    curl.curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(call.timeout_ms));
    curl.curl_easy_setopt(easy.get(), CURLOPT_NOPROXY, without_proxy().c_str());
    curl.curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
    curl.curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, collect);
    curl.curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &body);
    curl.curl_easy_setopt(easy.get(), CURLOPT_ERRORBUFFER, error);
    if (const CURLcode code = curl.curl_easy_perform(easy.get()); code != CURLE_OK) {
        const bool no_url = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
        return fail(no_url ? ErrorCode::kInvalidInput : ErrorCode::kUnavailable,
                    *error != '\0' ? error : curl.curl_easy_strerror(code));
    }
    curl.curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &answer.status);
    return answer;
}

}  // namespace howdah::http
