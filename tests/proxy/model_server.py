"""A server of the tests' own: it lets everybody in, then says what PostgreSQL would not."""

import contextlib
import socket
import struct
import threading

from tests.proxy.wire_client import message, text

LOGIN = (message("R", struct.pack("!i", 0)) + message("K", struct.pack("!ii", 1, 2))
         + b"".join(message("S", text(name) + text(value)) for name, value in (
             ("server_version", "15.0"), ("client_encoding", "UTF8"), ("DateStyle", "ISO, MDY"),
             ("standard_conforming_strings", "on"), ("TimeZone", "UTC"))))
READY = message("Z", b"I")
CANCEL = struct.pack("!i", 80877102)


def exactly(stream, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


class ModelServer:
    """A thread for each connection: login, then `talk`, at whose end the connection is closed."""

    greeting = LOGIN + READY

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), connection, \
                connection.makefile("rb", 1 << 20) as stream:
            start = exactly(stream, int.from_bytes(exactly(stream, 4)) - 4)
            if start[:4] == CANCEL:
                self.cancel(connection)
                return
            connection.sendall(self.greeting)
            self.talk(connection, stream)

    def talk(self, connection: socket.socket, stream) -> None:
        raise NotImplementedError

    def cancel(self, connection: socket.socket) -> None:
        """A cancel request came; it is closed, which is its answer, when this returns."""

    def close(self) -> None:
        self.listener.close()
