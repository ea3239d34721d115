"""What systemd is told and gives: notify, watchdog, sockets that are already open."""

import http.client
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.conftest import PASSWORD, USER
from tools import process, proxy

pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer uses libsystemd")

# Becomes the program under the pid that LISTEN_PID names, with the sockets from descriptor 3 on.
EXEC = """
import fcntl, os, sys
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(",")]
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """The part of systemd that a service sees."""

    def __init__(self, folder: Path, cluster, *, sockets=(), names="", **environment: str):
        folder.mkdir()
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(15)
        one = proxy.Proxy(folder, {USER: PASSWORD},
                          databases={"*": f"host=127.0.0.1 port={cluster.primary.port}"})
        one.port = process.free_port()
        one.write_config()
        self.port = one.port
        env = {**process.clean_environment(), "NOTIFY_SOCKET": str(self.path), **environment}
        command = one.command()
        if sockets:
            env |= {"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names}
            numbers = ",".join(str(s.fileno()) for s in sockets)
            command = [sys.executable, "-c", EXEC, numbers, *command]
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(command, env=env, stderr=self.log, close_fds=True,
                                        pass_fds=[s.fileno() for s in sockets])

    def heard(self) -> list[str]:
        return self.socket.recv(4096).decode().splitlines()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        process.stop(self.process, signal.SIGTERM, 10)
        self.socket.close()
        self.log.close()


def test_ready_reloading_stopping(run_folder, cluster):
    with Manager(Path(run_folder) / "notify", cluster) as manager:
        assert "READY=1" in manager.heard()
        manager.process.send_signal(signal.SIGHUP)
        reloading = manager.heard()
        assert reloading[0] == "RELOADING=1" and reloading[1].startswith("MONOTONIC_USEC=")
        assert manager.heard() == ["READY=1"]
        manager.process.terminate()
        assert "STOPPING=1" in manager.heard()
        assert manager.process.wait(10) == 0


def test_the_watchdog_is_fed_while_the_loops_live(run_folder, cluster):
    with Manager(Path(run_folder) / "watchdog", cluster, WATCHDOG_USEC="3000000") as manager:
        heard = manager.heard() + manager.heard() + manager.heard()
        assert heard.count("WATCHDOG=1") >= 2 and "READY=1" in heard


def test_inherited_sockets_serve_clients_and_http(run_folder, cluster):
    with socket.create_server(("127.0.0.1", 0)) as clients, \
            socket.create_server(("127.0.0.1", 0)) as web, \
            Manager(Path(run_folder) / "inherit", cluster, names="clients:http",
                    sockets=[clients, web]) as manager:
        assert "READY=1" in manager.heard()
        port = clients.getsockname()[1]
        uri = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres"
        with psycopg.connect(uri) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        assert not process.accepts(manager.port)
        answer = http.client.HTTPConnection("127.0.0.1", web.getsockname()[1], timeout=10)
        answer.request("GET", "/healthz")
        assert answer.getresponse().status == 200
        answer.close()


def test_the_connection_that_woke_us_has_its_tcp_options(run_folder, cluster):
    """It was there before the socket was ours, and inherited nothing from us."""
    with socket.create_server(("127.0.0.1", 0)) as clients:
        port = clients.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=15) as first, \
                Manager(Path(run_folder) / "woken", cluster, names="clients", sockets=[clients]):
            first.sendall(struct.pack("!ii", 8, 80877103))  # SSLRequest
            assert first.recv(1) in b"NS"
            own = f":{port:04X}", f":{first.getsockname()[1]:04X}"
            [timer] = [words[5] for words in map(str.split, Path("/proc/net/tcp").open())
                       if (words[1][-5:], words[2][-5:]) == own]
            first.close()
            assert timer.startswith("02:"), timer  # keepalive
