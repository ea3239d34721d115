"""PROXY protocol: clients behind a load balancer are who its header says."""

import socket
import struct
import threading

import psycopg
import pytest

from tests.auth.conftest import LOOKUP
from tools import process

LINE = b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 6432\r\n"
BINARY = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", 12)
          + bytes([203, 0, 113, 7, 192, 0, 2, 1]) + struct.pack("!HH", 51234, 6432))
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


class Balancer:
    """Passes one connection on, with a header in front, a few bytes at a time."""

    def __init__(self, port: int, header: bytes, step: int = 7):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.target, self.header, self.step = port, header, step
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        client, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", self.target))
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(self.header), self.step):
            server.sendall(self.header[at:at + self.step])
        back = threading.Thread(target=self.copy, args=(server, client), daemon=True)
        back.start()
        self.copy(client, server)

    @staticmethod
    def copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def login(proxy, header: bytes) -> None:
    balancer = Balancer(proxy.port, header)
    with psycopg.connect(host="127.0.0.1", port=balancer.port, user=LOOKUP[0],
                         password=LOOKUP[1], dbname="postgres", connect_timeout=10) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("header", [LINE, BINARY], ids=["v1", "v2"])
@pytest.mark.parametrize("mode", ["require", "allow"])
def test_client_address(make_proxy, header, mode):
    proxy = make_proxy(proxy_protocol=mode)
    login(proxy, header)
    assert f"postgres/{LOOKUP[0]}@203.0.113.7:51234 login attempt" in proxy.log_text()


def test_health_check(make_proxy):
    proxy = make_proxy(proxy_protocol="require")
    login(proxy, LOCAL)
    assert "@127.0.0.1:" in proxy.log_text()


def test_without_a_header(make_proxy):
    assert make_proxy(proxy_protocol="allow").whoami(*LOOKUP) == LOOKUP[0]


def test_header_is_required(make_proxy):
    proxy = make_proxy(proxy_protocol="require")
    proxy.refusal(*LOOKUP)
    assert "no PROXY header" in proxy.log_text()


@pytest.mark.parametrize("mode", ["require", "allow"])
def test_not_from_anywhere(make_proxy, mode):
    proxy = make_proxy(proxy_protocol=mode, proxy_protocol_networks="10.0.0.0/8")
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.sendall(LINE)
        assert connection.recv(100) == b""
    assert "not in proxy_protocol_networks" in proxy.log_text()


def test_hba_sees_the_address_behind(make_proxy):
    proxy = make_proxy(proxy_protocol="require", auth_type="hba", start=False)
    hba = proxy.write("hba.conf", "host all all 203.0.113.0/24 scram-sha-256\n")
    proxy.settings["auth_hba_file"] = str(hba)
    proxy.start()
    login(proxy, LINE)
    other = LINE.replace(b"203.0.113.7", b"198.51.100.9")
    with pytest.raises(psycopg.OperationalError, match="no authentication method is found"):
        login(proxy, other)


def test_broken_header(make_proxy):
    proxy = make_proxy(proxy_protocol="require")
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.sendall(b"PROXY TCP4 203.0.113 192.0.2.1 1 1\r\n")
        assert connection.recv(100) == b""
    process.wait_until(lambda: "PROXY header: malformed" in proxy.log_text(), 10, "a log line")
