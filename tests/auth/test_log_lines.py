"""Names are what a client says they are: none of them breaks a line of the log."""

import contextlib
import json
import re
import socket
import struct

import pytest

from tools import process

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+ \[\d+\] (LOG|WARNING|ERROR|DEBUG|NOISE|FATAL) ")
HOSTILE = [b"a\nb", b"a\r\nFATAL forged", b"\x1b[2J\x1b]0;title\x07", b"\x7f\x08\x01", b"\xff\xfe\xc3",
           "\u009b1m \u2028 \u2029 \u0085".encode(), b'"}{"level":"FATAL"', b"\\"]


def knock(port: int, user: bytes, database: bytes, application: bytes) -> None:
    """A start-up message, something that is no password, and whatever is said to that."""
    body = struct.pack("!i", 3 << 16)
    for word in (b"user", user, b"database", database, b"application_name", application):
        body += word + b"\0"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(struct.pack("!i", len(body) + 5) + body + b"\0")
        peer.sendall(b"Q\0\0\0\x05\0")
        with contextlib.suppress(ConnectionResetError):
            while peer.recv(4096):
                pass


@pytest.mark.parametrize("form", ["text", "json"])
def test_hostile_names(make_proxy, form):
    proxy = make_proxy(log_format=form, log_connections="1", log_disconnections="1",
                       log_pooler_errors="1", verbose="2", users={"ann": "x"})
    begins = len(proxy.log.read_bytes())
    for name in HOSTILE:
        knock(proxy.port, name, b"postgres", b"app")
        knock(proxy.port, b"ann", name, b"app")
        knock(proxy.port, b"ann", b"postgres", name)
    process.wait_until(lambda: proxy.log.read_bytes().count(b"closing because") >= 3 * len(HOSTILE),
                       10, "the end of the logins")
    proxy.stop()
    log = proxy.log.read_bytes()[begins:]
    lines = log.split(b"\n")
    assert lines.pop() == b""
    assert len(lines) > 3 * len(HOSTILE)
    for line in lines:
        assert not re.search(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]", line), line
        if form == "json":
            assert json.loads(line.decode("utf-8"))["level"] != "FATAL", line
        else:
            assert LINE.match(line.decode(errors="replace")), line
