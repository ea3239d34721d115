"""What tests/auth needs: a proxy with any configuration, certificates, canary passwords."""

import signal
import socket
import struct
import subprocess
from pathlib import Path

import psycopg

from tools import process, proxy
from tools.shell import run

CONNECT_SECONDS = 10


class AuthProxy(proxy.Proxy):
    """A proxy whose settings, databases and files a test changes while it runs."""

    def __init__(self, folder: Path, port_of_server: int, *, users: dict[str, str],
                 databases: dict[str, str] | None = None, toml: str = "",
                 environment: dict[str, str] | None = None, **settings: str):
        super().__init__(folder, users,
                         databases=databases or {"*": f"host=127.0.0.1 port={port_of_server}"},
                         settings={"verbose": "2", **settings})
        self.environment = environment
        self.toml = toml
        self.file = self.folder / ("howdah.toml" if toml else "proxy.ini")

    def write_config(self) -> None:
        """A pgbouncer.ini and its auth_file, or the test's own howdah.toml."""
        if self.toml:
            self.write("howdah.toml", f"listen_port = {self.port}\nverbose = 2\n{self.toml}")
            return
        settings = {"listen_addr": "127.0.0.1", "listen_port": str(self.port),
                    "unix_socket_dir": "", "auth_type": "scram-sha-256",
                    "auth_file": str(self.folder / "userlist.txt"),
                    "admin_users": next(iter(self.users), ""), "max_client_conn": "1000",
                    **self.settings}
        lines = ["[databases]", *(f"{k} = {v}" for k, v in self.databases.items()), "",
                 "[pgbouncer]", *(f"{k} = {v}" for k, v in settings.items()), ""]
        self.write("proxy.ini", "\n".join(lines))
        self.write("userlist.txt", "".join(proxy.secret(*user) for user in self.users.items()))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        process.give_to_server_user(path)
        path.chmod(0o600)
        return path

    def reload(self) -> None:
        """Writes the configuration again, SIGHUP, and waits until it is in force or refused."""
        self.write_config()
        before = len(self.log_text())
        self.process.send_signal(signal.SIGHUP)

        def over() -> bool:
            text = self.log_text()[before:]
            return "configuration is in force" in text or " ERROR " in text
        process.wait_until(over, 10, "reload")

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def connect(self, user: str, password: str | None = None, database: str = "postgres",
                **more) -> psycopg.Connection:
        more.setdefault("host", "127.0.0.1")
        return psycopg.connect(port=self.port, user=user, password=password, dbname=database,
                               connect_timeout=CONNECT_SECONDS, autocommit=True, **more)

    def whoami(self, *args, **more) -> str:
        with self.connect(*args, **more) as connection:
            return connection.execute("select current_user").fetchone()[0]

    def refusal(self, *args, **more) -> str:
        """The error of a login that must not succeed."""
        try:
            self.connect(*args, **more).close()
        except psycopg.OperationalError as error:
            return str(error).strip()
        raise AssertionError(f"{args[0]} was let in")


def answer_to_empty_password(port: int, user: str) -> str:
    """libpq refuses to send one: what a client of one's own hears."""
    body = struct.pack("!i", 3 << 16) + f"user\0{user}\0database\0postgres\0\0".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=CONNECT_SECONDS) as peer:
        peer.sendall(struct.pack("!i", len(body) + 4) + body)
        assert peer.recv(9) == b"R\0\0\0\x08\0\0\0\x03"  # AuthenticationCleartextPassword
        peer.sendall(b"p\0\0\0\x05\0")
        answer = b""
        while piece := peer.recv(4096):
            answer += piece
    return answer.decode()


class Authority:
    """A certificate authority in a folder; certificates are made by the openssl command."""

    def __init__(self, folder: Path, name: str):
        self.folder = folder
        self.name = name
        self.certificate = folder / f"{name}.crt"
        self.key = folder / f"{name}.key"
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
             f"/CN={name}", "-keyout", self.key, "-out", self.certificate])
        self.give(self.certificate, self.key)

    @staticmethod
    def give(*paths: Path) -> None:
        for path in paths:
            process.give_to_server_user(path)
            path.chmod(0o600)

    def issue(self, common_name: str, names: str = "DNS:localhost,IP:127.0.0.1",
              file: str = "") -> tuple[Path, Path]:
        """A key and a certificate for a name: (certificate, key)."""
        base = self.folder / f"{self.name}-{file or common_name}"
        certificate, key, request, extra = (base.with_suffix(s)
                                            for s in (".crt", ".key", ".csr", ".ext"))
        extra.write_text(f"subjectAltName={names}\n")
        run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={common_name}",
             "-keyout", key, "-out", request])
        run(["openssl", "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey",
             self.key, "-CAcreateserial", "-days", "2", "-extfile", extra, "-out", certificate])
        self.give(certificate, key)
        return certificate, key


def readable_copy(path: Path, folder: Path) -> Path:
    """libpq wants a key that belongs to whoever runs the test."""
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o600)
    return copy


def core_strings(pid: int, folder: Path) -> bytes:
    """The memory of a process, as gcore writes it."""
    out = folder / "memory"
    subprocess.run(["gcore", "-o", str(out), str(pid)], check=True, capture_output=True)
    return (folder / f"memory.{pid}").read_bytes()
