"""A TCP relay in front of PostgreSQL that counts the client's messages and kills the client with
SIGKILL at the one asked for: before the server gets it, or after the server has answered it."""

import os
import signal
import socket
import threading

QUERY_KINDS = b"QPBEDSCXdcf"


class Tap:
    """relay = Tap(upstream socket path); relay.port; relay.arm(pid, number, after)."""

    def __init__(self, upstream: str):
        self.upstream = upstream
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.seen = 0
        self.kill_at = 0
        self.after = False
        self.pid = 0
        self.killed = False
        threading.Thread(target=self.accept, daemon=True).start()

    def arm(self, number: int, after: bool) -> None:
        with self.lock:
            self.seen, self.kill_at, self.after, self.pid, self.killed = 0, number, after, 0, False

    def close(self) -> None:
        self.listener.close()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.upstream)
            threading.Thread(target=self.client_side, args=(client, server), daemon=True).start()
            threading.Thread(target=self.server_side, args=(server, client), daemon=True).start()

    def count(self) -> str:
        """What to do with this message: "", "before" or "after"."""
        with self.lock:
            self.seen += 1
            if not self.kill_at or self.seen != self.kill_at:
                return ""
            return "after" if self.after else "before"

    def kill(self) -> None:
        while not self.pid:  # the test has just started the program
            pass
        os.kill(self.pid, signal.SIGKILL)
        self.killed = True

    def client_side(self, client, server) -> None:
        """Passes whole messages on; each Query or Parse of any connection counts."""
        buffer, started = b"", False
        try:
            while data := client.recv(65536):
                buffer += data
                while True:
                    head = 4 if not started else 5
                    if len(buffer) < head:
                        break
                    size = int.from_bytes(buffer[head - 4:head]) + head - 4
                    if len(buffer) < size:
                        break
                    message, buffer = buffer[:size], buffer[size:]
                    what = self.count() if started and message[:1] in b"QP" else ""
                    ssl_or_gss = not started and message[4:8] in (b"\x04\xd2\x16\x2f",
                                                                  b"\x04\xd2\x16\x30")
                    started = started or not ssl_or_gss
                    if what == "before":
                        self.kill()
                        raise ConnectionError
                    server.sendall(message)
                    if what == "after":
                        self.wait_answer(server)
                        self.kill()
                        raise ConnectionError
        except OSError:
            pass
        finally:
            for one in (client, server):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def wait_answer(self, server) -> None:
        """Until the server has written something: what it was sent is then being done or done."""
        threading.Event().wait(0.15)

    def server_side(self, server, client) -> None:
        try:
            while data := server.recv(65536):
                client.sendall(data)
        except OSError:
            pass
        finally:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
