#include "auth/ldap_clock.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.hpp"

namespace howdah::auth {
namespace {

// Between the socket (10) and TLS (20).
constexpr int kLayer = (LBER_SBIOD_LEVEL_PROVIDER + LBER_SBIOD_LEVEL_TRANSPORT) / 2;

// False, with errno, when the deadline came first.
bool wait_for(Sockbuf_IO_Desc* layer, short what) {
    ber_socket_t fd = -1;
    libldap().ber_sockbuf_ctrl(layer->sbiod_sb, LBER_SB_OPT_GET_FD, &fd);
    const auto* clock = static_cast<const LdapClock*>(layer->sbiod_pvt);
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(clock->left());
        pollfd one{fd, what, 0};
        const int ready =
            ::poll(&one, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000)));
        if (ready > 0) {
            return true;
        }
        if (ready < 0 && errno != EINTR) {
            return false;
        }
        if (clock->left().count() <= 0) {
            errno = ETIMEDOUT;
            return false;
        }
    }
}

int set_up(Sockbuf_IO_Desc* layer, void* clock) {
    layer->sbiod_pvt = clock;
    return 0;
}

int remove_layer(Sockbuf_IO_Desc* layer) {
    layer->sbiod_pvt = nullptr;
    return 0;
}

int control(Sockbuf_IO_Desc* layer, int option, void* argument) {
    return LBER_SBIOD_CTRL_NEXT(layer, option, argument);
}

ber_slen_t read_layer(Sockbuf_IO_Desc* layer, void* bytes, ber_len_t size) {
    return wait_for(layer, POLLIN) ? LBER_SBIOD_READ_NEXT(layer, bytes, size) : -1;
}

ber_slen_t write_layer(Sockbuf_IO_Desc* layer, void* bytes, ber_len_t size) {
    return wait_for(layer, POLLOUT) ? LBER_SBIOD_WRITE_NEXT(layer, bytes, size) : -1;
}

int close_layer(Sockbuf_IO_Desc*) {
    return 0;
}

// libldap wants it writable, and writes nothing.
Sockbuf_IO& functions() {
    static Sockbuf_IO layer{set_up, remove_layer, control, read_layer, write_layer, close_layer};
    return layer;
}

}  // namespace

LdapClock::LdapClock(std::chrono::steady_clock::time_point deadline)
    : deadline_(deadline), callbacks_{connected, closing, this} {}

void LdapClock::watch(LDAP* handle) {
    libldap().ldap_set_option(handle, LDAP_OPT_CONNECT_CB, &callbacks_);
}

std::chrono::microseconds LdapClock::left() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(deadline_ - steady_now());
}

int LdapClock::connected(LDAP*, Sockbuf* socket, LDAPURLDesc*, sockaddr*, ldap_conncb* self) {
    return libldap().ber_sockbuf_add_io(socket, &functions(), kLayer, self->lc_arg);
}

void LdapClock::closing(LDAP*, Sockbuf*, ldap_conncb*) {}

}  // namespace howdah::auth
