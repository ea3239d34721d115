"""What is measured beside howdah: poolers, a TCP proxy, bare relays. Each is a started process."""

import os
import shutil
from pathlib import Path

from tools import process
from tools.shell import BUILD, Failed

RELEASE = BUILD / "release"
USER = "bench"
DATABASE = "bench"


def descendants(pid: int) -> list[int]:
    found = [pid]
    for task in tasks(pid):
        try:
            children = Path(f"/proc/{pid}/task/{task}/children").read_text().split()
        except OSError:
            continue
        for child in children:
            found += descendants(int(child))
    return found


def tasks(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def cpu_us(pid: int) -> float:
    """CPU time of a process and its children so far: user and system, in microseconds."""
    total = 0.0
    for one in descendants(pid):
        for task in tasks(one):
            try:
                total += int(Path(f"/proc/{one}/task/{task}/schedstat").read_text().split()[0]) / 1e3
            except OSError:
                continue
    return total


def rss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


class Peer:
    """One process between pgbench and PostgreSQL. `tls`: its clients come over TLS."""

    name = ""
    clients_max = 10**6
    reconnects = True

    def __init__(self, world, tls: bool):
        self.world = world
        self.tls = tls
        self.folder = world.folder / f"{self.name}{'-tls' if tls else ''}"
        self.port = 0
        self.process = None

    def available(self) -> str:
        """Why it cannot take part, or an empty string."""
        return ""

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        process.give_to_server_user(self.folder)
        self.port = process.free_port()
        self.process = process.spawn(self.command(), self.folder / "log", on_parent_death="TERM")
        process.wait_until(self.is_up, 20, f"{self.name} ({self.folder / 'log'})")

    def is_up(self) -> bool:
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended: {(self.folder / 'log').read_text()[-500:]}")
        return process.accepts(self.port)

    def stop(self) -> None:
        if self.process:
            process.stop(self.process, seconds=5)
            self.process = None

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        process.give_to_server_user(path)
        return path


class Direct(Peer):
    """PostgreSQL itself, for the scale of things."""

    name = "postgresql"

    def start(self) -> None:
        self.port = self.world.server.port
        self.process = self.world.server.process

    def stop(self) -> None:
        self.process = None


class PgBouncer(Peer):
    name = "pgbouncer"

    def __init__(self, world, tls: bool):
        super().__init__(world, tls)
        self.program = world.options.pgbouncer
        self.extra: dict[str, str] = {}

    def available(self) -> str:
        return "" if Path(self.program).exists() else f"{self.program} is not there"

    def settings(self) -> dict[str, str]:
        settings = {"listen_addr": "127.0.0.1", "listen_port": str(self.port),
                    "auth_type": "trust", "auth_file": str(self.folder / "users.txt"),
                    "pool_mode": "transaction", "default_pool_size": str(self.world.pool_size),
                    "max_client_conn": "12000", "unix_socket_dir": "", "log_connections": "0",
                    "log_disconnections": "0", "server_login_retry": "1",
                    # To PostgreSQL as the relays go. "prefer", PgBouncer's default and ours, would
                    # encrypt here and measure AES on one side of the comparison.
                    "server_tls_sslmode": "disable",
                    "ignore_startup_parameters": "extra_float_digits"}
        if self.tls:
            settings |= {"client_tls_sslmode": "require",
                         "client_tls_cert_file": str(self.world.certificate),
                         "client_tls_key_file": str(self.world.key)}
        if self.has_prepared():
            settings["max_prepared_statements"] = "200"
        return settings | self.extra

    def has_prepared(self) -> bool:
        return "1.18" not in process.run([self.program, "--version"])

    def config(self) -> Path:
        self.write("users.txt", f'"{USER}" ""\n')
        lines = ["[databases]",
                 f"{DATABASE} = host=127.0.0.1 port={self.world.upstream_port} user={USER}",
                 "[pgbouncer]", *(f"{k} = {v}" for k, v in self.settings().items())]
        return self.write("pooler.ini", "\n".join(lines) + "\n")

    def command(self) -> list[str]:
        return [str(self.program), "-q", str(self.config())]


class Howdah(PgBouncer):
    """howdah with the same file; `backend` is its own option."""

    backend = ""

    def __init__(self, world, tls: bool):
        super().__init__(world, tls)
        self.program = RELEASE / "howdah"

    def available(self) -> str:
        return "" if Path(self.program).exists() else "build/release/howdah is not built yet"

    def has_prepared(self) -> bool:
        return True

    def settings(self) -> dict[str, str]:
        return super().settings() | {"backend": self.backend} | self.world.options.howdah_set

    def command(self) -> list[str]:
        return [str(self.program), "serve", "-q", str(self.config())]


class HowdahUring(Howdah):
    name = "howdah-io_uring"
    backend = "io_uring"


class HowdahEpoll(Howdah):
    name = "howdah-epoll"
    backend = "epoll"


class Relay(Peer):
    backend = ""

    def available(self) -> str:
        return "" if (RELEASE / "bench/relay").exists() else "build/release/bench/relay is not built"

    def command(self) -> list[str]:
        return [str(RELEASE / "bench/relay"), "--backend", self.backend, "--listen",
                str(self.port), "--upstream", f"127.0.0.1:{self.world.upstream_port}"]


class RelayUring(Relay):
    name = "relay-io_uring"
    backend = "io_uring"


class RelayEpoll(Relay):
    name = "relay-epoll"
    backend = "epoll"


class HAProxy(Peer):
    name = "haproxy"

    def available(self) -> str:
        return "" if Path("/usr/sbin/haproxy").exists() else "haproxy is not installed"

    def command(self) -> list[str]:
        config = self.write("haproxy.cfg", f"""\
global
    nbthread 1
    maxconn 6000
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen postgresql
    bind 127.0.0.1:{self.port}
    server primary 127.0.0.1:{self.world.upstream_port}
""")
        return ["/usr/sbin/haproxy", "-db", "-f", str(config)]


class Pgpool(Peer):
    """A process for each client: as many as its children, no more."""

    name = "pgpool"
    clients_max = 64

    def available(self) -> str:
        if self.tls:
            return "measured without TLS only"
        return "" if Path("/usr/sbin/pgpool").exists() else "pgpool2 is not installed"

    def command(self) -> list[str]:
        config = self.write("pgpool.conf", f"""\
listen_addresses = '127.0.0.1'
port = {self.port}
pcp_listen_addresses = ''
unix_socket_directories = '{self.folder}'
pcp_socket_dir = '{self.folder}'
backend_hostname0 = '127.0.0.1'
backend_port0 = {self.world.upstream_port}
backend_clustering_mode = 'raw'
num_init_children = {self.clients_max + 2}
max_pool = 1
pid_file_name = '{self.folder}/pid'
work_dir = '{self.folder}'
sr_check_period = 0
health_check_period = 0
enable_pool_hba = off
""")
        empty = self.write("pool_hba.conf", "host all all 127.0.0.1/32 trust\n")
        return ["/usr/sbin/pgpool", "-n", "-f", str(config), "-a", str(empty)]


ALL = {kind.name: kind for kind in (Direct, PgBouncer, HowdahUring, HowdahEpoll, RelayUring,
                                    RelayEpoll, HAProxy, Pgpool)}
