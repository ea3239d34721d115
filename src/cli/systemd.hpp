// What systemd and we tell each other, without libsystemd: a datagram to NOTIFY_SOCKET and sockets
// that are already open. Outside systemd all of this does nothing. sd_notify(3), sd_listen_fds(3).
#pragma once

#include <chrono>
#include <string_view>
#include <vector>

namespace howdah::cli {

// "READY=1", "RELOADING=1\nMONOTONIC_USEC=..", "STOPPING=1", "WATCHDOG=1", "STATUS=..". False when
// nobody listens.
bool notify_systemd(std::string_view state);
// RELOADING with the time that Type=notify-reload wants.
void notify_reloading();

// WATCHDOG_USEC, if it is meant for this process; zero: no watchdog.
[[nodiscard]] std::chrono::microseconds watchdog_interval();

struct InheritedSockets {
    std::vector<int> proxy;  // for clients
    std::vector<int> http;   // FileDescriptorName=http
};
// LISTEN_FDS, once: the variables are removed, the sockets closed on exec and not blocking.
[[nodiscard]] InheritedSockets take_inherited_sockets();

}  // namespace howdah::cli
