"""A PostgreSQL client that sends exactly the messages it is told to, and shows each answer."""

import contextlib
import hashlib
import socket
import struct
from typing import NamedTuple
from urllib.parse import unquote, urlsplit


class Message(NamedTuple):
    type: str
    body: bytes


def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def query(sql: str) -> bytes:
    return message("Q", text(sql))


def parse(name: str, sql: str) -> bytes:
    return message("P", text(name) + text(sql) + b"\0\0")


def bind(portal: str, name: str, *values: str) -> bytes:
    body = text(portal) + text(name) + b"\0\0" + struct.pack("!h", len(values))
    for value in values:
        body += struct.pack("!i", len(value.encode())) + value.encode()
    return message("B", body + b"\0\0")


def describe(kind: str, name: str) -> bytes:
    return message("D", kind.encode() + text(name))


def execute(portal: str = "", rows: int = 0) -> bytes:
    return message("E", text(portal) + struct.pack("!i", rows))


def close(kind: str, name: str) -> bytes:
    return message("C", kind.encode() + text(name))


SYNC, FLUSH, TERMINATE = message("S"), message("H"), message("X")
COPY_DONE = message("c")


def copy_data(data: bytes) -> bytes:
    return message("d", data)


def copy_fail(reason: str) -> bytes:
    return message("f", text(reason))


class Client:
    """One connection, logged in with a password in clear, md5 or not at all."""

    def __init__(self, uri: str, *, minor: int = 0, timeout: float = 20, **parameters: str):
        parts = urlsplit(uri)
        self.user, self.password = unquote(parts.username), unquote(parts.password or "")
        self.host, self.port = parts.hostname, parts.port
        self.socket = socket.create_connection((self.host, self.port), timeout)
        self.buffer = b""
        self.parameters, self.key = {}, b""
        settings = {"user": self.user, "database": parts.path[1:], **parameters}
        body = struct.pack("!i", 0x30000 | minor)
        body += b"".join(text(key) + text(value) for key, value in settings.items()) + b"\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self.greeting = self._log_in()

    def _log_in(self) -> list[Message]:
        seen = []
        scram = None
        while True:
            one = self.receive()
            seen.append(one)
            if one.type == "E":
                raise ConnectionError(fields(one)["M"])
            if one.type == "K":
                self.key = one.body
            if one.type == "Z":
                return seen
            if one.type != "R":
                continue
            code = struct.unpack("!i", one.body[:4])[0]
            if code == 3:
                self.socket.sendall(message("p", text(self.password)))
            elif code == 5:
                inner = hashlib.md5((self.password + self.user).encode()).hexdigest()
                outer = hashlib.md5(inner.encode() + one.body[4:8]).hexdigest()
                self.socket.sendall(message("p", text("md5" + outer)))
            elif code in (10, 11, 12):
                scram = scram or Scram(self.password)
                answer = scram.step(code, one.body[4:])
                if answer:
                    self.socket.sendall(message("p", answer))

    def send(self, *messages: bytes) -> None:
        self.socket.sendall(b"".join(messages))

    def receive(self) -> Message:
        while len(self.buffer) < 5 or len(self.buffer) < 1 + self._length():
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(f"closed with {self.buffer!r} left")
            self.buffer += data
        end = 1 + self._length()
        one = Message(chr(self.buffer[0]), self.buffer[5:end])
        self.buffer = self.buffer[end:]
        return one

    def _length(self) -> int:
        return struct.unpack("!i", self.buffer[1:5])[0]

    def until(self, kind: str, count: int = 1) -> list[Message]:
        """All messages up to the `count`th of this type."""
        seen = []
        while count:
            seen.append(self.receive())
            count -= seen[-1].type == kind
        return seen

    def until_end(self) -> list[Message]:
        seen = []
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                seen.append(self.receive())
        return seen

    def ask(self, *messages: bytes, ready: int = 1) -> list[Message]:
        self.send(*messages)
        return self.until("Z", ready)

    def ask_to_cancel(self, key: bytes | None = None) -> socket.socket:
        """Its end comes when the server has taken the request."""
        other = socket.create_connection((self.host, self.port), 20)
        body = struct.pack("!i", 80877102) + (key if key is not None else self.key)
        other.sendall(struct.pack("!i", len(body) + 4) + body)
        return other

    def cancel(self, key: bytes | None = None) -> None:
        with self.ask_to_cancel(key) as other:
            other.recv(1)

    def close(self) -> None:
        self.socket.close()


class Scram:
    """SCRAM-SHA-256 without channel binding, from the RFC."""

    def __init__(self, password: str):
        self.password = password.encode()
        self.bare = "n=,r=howdahtestnonce"

    def step(self, code: int, data: bytes) -> bytes:
        import base64
        import hmac
        if code == 10:
            first = ("n,," + self.bare).encode()
            return text("SCRAM-SHA-256") + struct.pack("!i", len(first)) + first
        if code == 12:
            return b""
        server_first = data.decode()
        parts = dict(part.split("=", 1) for part in server_first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(parts["s"]),
                                     int(parts["i"]))
        without_proof = "c=biws,r=" + parts["r"]
        whole = ",".join((self.bare, server_first, without_proof)).encode()
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), whole, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return (without_proof + ",p=" + base64.b64encode(proof).decode()).encode()


def fields(error: Message) -> dict[str, str]:
    return {part[:1].decode(): part[1:].decode("utf-8", "replace")
            for part in error.body.split(b"\0") if part}


# What differs between any two connections, or comes at any moment.
_VARYING = {"F", "L", "R", "P", "W", "D"}


def normal(messages: list[Message]) -> list[tuple]:
    """What a client sees, without what may differ between two servers."""
    shown = []
    for one in messages:
        if one.type in ("N", "S"):
            continue
        if one.type == "E":
            known = fields(one)
            shown.append(("E", *sorted((k, v) for k, v in known.items() if k not in _VARYING)))
        elif one.type == "T":
            shown.append(("T", struct.unpack("!h", one.body[:2])[0]))
        else:
            shown.append((one.type, one.body))
    return shown
