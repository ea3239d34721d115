// Options of TCP sockets, as PgBouncer's tcp_* settings. Zero: the system's.
#pragma once

namespace howdah::net {

struct TcpOptions {
    bool keepalive = true;
    int keepalive_count = 0;
    int keepalive_idle_s = 0;
    int keepalive_interval_s = 0;
    int user_timeout_ms = 0;
    int socket_buffer = 0;  // bytes, each direction
};

// And TCP_NODELAY, always. Does nothing to what is no TCP socket; what the system refuses stays as
// it is. A connection has what its listening socket has when it comes.
void apply_tcp_options(int fd, const TcpOptions& options);

// A listening socket tells of a connection once it has brought something, or after `seconds`.
void set_defer_accept(int fd, int seconds);

}  // namespace howdah::net
