#include "cli/systemd.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace howdah::cli {
namespace {

TEST(Systemd, NotifiesByADatagram) {
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)), 0);
    socklen_t length = sizeof address;  // the kernel has chosen an abstract name
    ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
    std::string name(address.sun_path, length - offsetof(sockaddr_un, sun_path));
    name[0] = '@';
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    EXPECT_TRUE(notify_systemd("READY=1"));
    char text[64] = {};
    EXPECT_EQ(::recv(fd, text, sizeof text - 1, MSG_DONTWAIT), 7);
    EXPECT_STREQ(text, "READY=1");
    notify_reloading();
    EXPECT_GT(::recv(fd, text, sizeof text - 1, MSG_DONTWAIT), 20);
    EXPECT_EQ(std::string(text).find("RELOADING=1\nMONOTONIC_USEC="), 0U);
    ::close(fd);
    EXPECT_FALSE(notify_systemd("READY=1"));
    ::unsetenv("NOTIFY_SOCKET");
    EXPECT_FALSE(notify_systemd("READY=1"));
}

TEST(Systemd, TheWatchdogIsOursOnlyWithOurPid) {
    ::setenv("WATCHDOG_USEC", "3000000", 1);
    EXPECT_EQ(watchdog_interval().count(), 3'000'000);
    ::setenv("WATCHDOG_PID", "1", 1);
    EXPECT_EQ(watchdog_interval().count(), 0);
    ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
    EXPECT_EQ(watchdog_interval().count(), 3'000'000);
    ::setenv("WATCHDOG_USEC", "soon", 1);
    EXPECT_EQ(watchdog_interval().count(), 0);
    ::unsetenv("WATCHDOG_USEC");
    ::unsetenv("WATCHDOG_PID");
}

TEST(Systemd, SocketsForAnotherProcessAreLeftAlone) {
    ::setenv("LISTEN_PID", "1", 1);
    ::setenv("LISTEN_FDS", "2", 1);
    const InheritedSockets sockets = take_inherited_sockets();
    EXPECT_TRUE(sockets.proxy.empty() && sockets.http.empty());
    EXPECT_EQ(std::getenv("LISTEN_FDS"), nullptr);
}

}  // namespace
}  // namespace howdah::cli
