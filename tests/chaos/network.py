"""A TCP relay that can be cut, stalled and mended, to stand where a network would."""

import contextlib
import socket
import struct
import threading

from tools import process


class Network:
    """Relays connections to 127.0.0.1:`port` while it is up."""

    def __init__(self, port: int, *, address: str = "127.0.0.1", own_port: int = 0):
        self.target = port
        self.listener = socket.create_server((address, own_port))
        self.port = self.listener.getsockname()[1]
        self.flowing = threading.Event()
        self.flowing.set()
        self.reachable = True
        self.held = 0  # pieces that met a stall
        self.lock = threading.Lock()
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                if not self.reachable:
                    raise ConnectionRefusedError
                far = socket.create_connection(("127.0.0.1", self.target), 10)
                far.settimeout(None)
            except OSError:
                reset(near)
                continue
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.held += not self.flowing.is_set()
                self.flowing.wait()
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def stall(self) -> None:
        self.held = 0
        self.flowing.clear()

    def waits_for_bytes(self) -> None:
        """Something is on its way and does not get through."""
        process.wait_until(lambda: self.held, 20, "bytes in a stalled network")

    def flow(self) -> None:
        self.flowing.set()

    def cut(self) -> None:
        """Every connection is reset, on both sides."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for one in pair:
                reset(one)
        self.flowing.set()

    def close(self) -> None:
        self.reachable = False
        self.listener.close()
        self.cut()


def reset(connection: socket.socket) -> None:
    """Closes it as a process does that was killed in the middle of something."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
