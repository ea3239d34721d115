// Never shipped and never run: an object that needs at link time what howdah loads at run time, so
// that dpkg-shlibdeps, and whoever asks ldd, learns of it (ADR 0021).
#include <curl/curl.h>
#include <ldap.h>
#include <libpq-fe.h>
#include <security/pam_appl.h>

extern "C" const void* const howdah_loaded_functions[] = {
#define FUNCTION(name) reinterpret_cast<const void*>(&::name),
#include "auth/libldap_functions.inc"
#include "auth/libpam_functions.inc"
#include "http/libcurl_functions.inc"
#include "pg/libpq_functions.inc"
#undef FUNCTION
};
