"""A PostgreSQL cluster of one's own: a primary and streaming replicas, for demo, tests, benchmarks.

    with Cluster(folder, replicas=2) as cluster:
        cluster.primary.sql("select 1")

Unprivileged, on loopback and on free ports. Administration and replication use a unix socket in a
folder that only the server user may enter (trust there, scram-sha-256 over TCP). A data folder is
used again when it is there; servers that a killed run left behind are ended first.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tools import process
from tools.shell import Failed

BIN = Path(os.environ.get("HOWDAH_PG_BIN", "/usr/lib/postgresql/15/bin"))
START_SECONDS_MAX = 60
SUPERUSER = "postgres"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "wal_level": "logical",
    "max_connections": "200",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "max_prepared_transactions": "10",
    "max_slot_wal_keep_size": "1GB",
    "shared_buffers": "128MB",
    "shared_preload_libraries": "pg_stat_statements",
    "hot_standby_feedback": "on",
    "track_io_timing": "on",
    "password_encryption": "scram-sha-256",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# Faster, and worthless after a power cut: for data that can be made again.
FAST = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "2GB"}

HBA = """\
local all         all                   trust
local replication all                   trust
host  all         all     127.0.0.1/32  scram-sha-256
host  replication all     127.0.0.1/32  scram-sha-256
"""


def quoted(value: str) -> str:
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


class Server:
    """One PostgreSQL server: a data folder, a port, a process when it runs."""

    def __init__(self, name: str, folder: Path, sockets: Path, settings: dict[str, str]):
        self.name = name
        self.data = folder / name
        self.log = folder / f"{name}.log"
        self.sockets = sockets
        self.settings = dict(settings)
        self.port = 0
        self.process: subprocess.Popen | None = None

    def exists(self) -> bool:
        return (self.data / "PG_VERSION").exists()

    def create(self) -> None:
        process.run([BIN / "initdb", "-D", self.data, "-U", SUPERUSER, "-E", "UTF8",
                     "--locale=C.UTF-8", "--no-sync", "--auth=trust", "--no-instructions"])

    def copy_from(self, primary: "Server") -> None:
        """Makes this a replica by a base backup, with a slot of its own on the primary."""
        shutil.rmtree(self.data, ignore_errors=True)
        primary.ensure_slot(self.slot())
        process.run([BIN / "pg_basebackup", "-D", self.data, "-h", self.sockets,
                     "-p", str(primary.port), "-U", SUPERUSER, "-c", "fast", "-X", "stream",
                     "--no-sync"])
        self.follow(primary)

    def slot(self) -> str:
        return self.name.replace("-", "_")

    def ensure_slot(self, slot: str) -> None:
        self.sql(f"select pg_create_physical_replication_slot({quoted(slot)}) where not exists "
                 f"(select from pg_replication_slots where slot_name = {quoted(slot)})")

    def follow(self, primary: "Server") -> None:
        """Streams from `primary`, from now on and after restarts."""
        self.settings["primary_conninfo"] = (
            f"host={self.sockets} port={primary.port} user={SUPERUSER} "
            f"application_name={self.name}")
        self.settings["primary_slot_name"] = self.slot()
        (self.data / "standby.signal").touch()
        process.give_to_server_user(self.data / "standby.signal")
        self.write_settings()

    def write_settings(self) -> None:
        lines = [f"{k} = {quoted(v)}\n" for k, v in self.settings.items()]
        for name, text in (("postgresql.conf", "".join(lines)), ("pg_hba.conf", HBA)):
            path = self.data / name
            path.write_text(text)
            process.give_to_server_user(path)

    def end_leftover(self) -> None:
        """Ends a server that a killed run left on this data folder; a stale pid file is no harm."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return

        def is_here() -> bool:  # a zombie has no working folder any more
            try:
                return os.readlink(f"/proc/{pid}/cwd") == os.path.realpath(self.data)
            except OSError:
                return False

        if not is_here():
            return
        for number, seconds in ((signal.SIGINT, 15), (signal.SIGQUIT, 10), (signal.SIGKILL, 5)):
            os.kill(pid, number)
            try:
                process.wait_until(lambda: not is_here(), seconds, "end")
                return
            except Failed:
                continue
        raise Failed(f"server {pid} on {self.data} does not end")

    def start(self) -> None:
        self.end_leftover()
        if not self.port or not process.is_free(self.port):
            self.port = process.free_port()
        self.settings["port"] = str(self.port)
        self.settings["unix_socket_directories"] = str(self.sockets)
        self.write_settings()
        for attempt in range(5):
            self.process = process.spawn([BIN / "postgres", "-D", self.data], self.log)
            if self.becomes_ready():
                return
            self.port = process.free_port()  # somebody took it between choice and bind
            self.settings["port"] = str(self.port)
            self.write_settings()
        raise Failed(f"PostgreSQL does not start on {self.data}", f"tail {self.log}")

    def becomes_ready(self) -> bool:
        def ready_or_gone():
            return self.process.poll() is not None or self.status() in ("ready", "standby")
        process.wait_until(ready_or_gone, START_SECONDS_MAX, f"ready server (see {self.log})")
        return self.process.poll() is None

    def status(self) -> str:
        """What the postmaster says of itself in its pid file: starting, ready, standby, stopping."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return ""
        mine = len(lines) > 7 and lines[0].strip() == str(self.process.pid)
        return lines[7].strip() if mine else ""

    def stop(self, how: int = signal.SIGINT) -> None:
        """SIGINT: fast. SIGQUIT: immediate. SIGTERM: waits for clients."""
        if self.process:
            process.stop(self.process, how)
            self.process = None

    def kill(self) -> None:
        """The machine loses power: no shutdown, no checkpoint."""
        self.stop(signal.SIGKILL)

    def restart(self, how: int = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def pause(self) -> None:
        """Stalls the server: connections open, nothing answers. resume() ends it."""
        self.signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal_all(signal.SIGCONT)

    def signal_all(self, number: int) -> None:
        for pid in self.process_ids():
            with contextlib.suppress(ProcessLookupError):  # a backend that just ended
                os.kill(pid, number)

    def process_ids(self) -> list[int]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def reload(self) -> None:
        self.write_settings()
        self.process.send_signal(signal.SIGHUP)

    def sql(self, text: str, database: str = "postgres") -> str:
        """Runs SQL as superuser over the unix socket; rows as lines, columns divided by |."""
        return process.run([BIN / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.sockets,
                            "-p", str(self.port), "-U", SUPERUSER, "-d", database, "-c", text]
                           ).rstrip("\n")

    def file(self, path: Path, database: str, variables: dict[str, str] | None = None) -> str:
        sets = [f"-v{k}={v}" for k, v in (variables or {}).items()]
        done = subprocess.run(
            [BIN / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *sets, "-h", self.sockets, "-p",
             str(self.port), "-U", SUPERUSER, "-d", database, "-f", path],
            env=process.clean_environment(), capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"{path}: {done.stderr.strip()}")
        return done.stdout

    def uri(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"


class Cluster:
    """A primary and its replicas in one folder. Not thread-safe: one owner starts and stops it."""

    def __init__(self, folder: Path, *, replicas: int = 0, settings: dict | None = None):
        self.folder = Path(folder)
        self.sockets = Path()
        self.settings = {**SETTINGS, **(settings or {})}
        self.wanted = replicas
        self.primary = Server("primary", self.folder, self.sockets, self.settings)
        self.replicas: list[Server] = []

    def __enter__(self) -> "Cluster":
        self.start()
        return self

    def __exit__(self, *error) -> None:
        self.stop()

    def is_new(self) -> bool:
        return not self.primary.exists()

    def start(self) -> None:
        self.make_socket_folder()
        try:
            self.start_servers()
        except BaseException:
            self.stop()
            raise

    def make_socket_folder(self) -> None:
        """Socket paths hold at most 107 bytes, so not below the data folder."""
        note = self.folder / "sockets"
        if note.exists():  # of a run that was killed
            shutil.rmtree(note.read_text(), ignore_errors=True)
        self.sockets = Path(tempfile.mkdtemp(prefix="howdah-"))
        process.give_to_server_user(self.sockets)
        note.write_text(str(self.sockets))
        self.primary.sockets = self.sockets

    def start_servers(self) -> None:
        if self.is_new():
            shutil.rmtree(self.primary.data, ignore_errors=True)
            self.primary.create()
        self.primary.start()
        for number in range(1, self.wanted + 1):
            replica = Server(f"replica{number}", self.folder, self.sockets, self.settings)
            self.replicas.append(replica)
            self.start_replica(replica)

    def start_replica(self, replica: Server) -> None:
        if replica.exists() and (replica.data / "standby.signal").exists():
            replica.end_leftover()
            self.primary.ensure_slot(replica.slot())
            replica.follow(self.primary)
            replica.start()
            try:
                self.wait_streaming(replica, 10)
                return
            except Failed:  # too far behind, or of another timeline: make it anew
                replica.stop(signal.SIGQUIT)
        replica.copy_from(self.primary)
        replica.start()
        self.wait_streaming(replica, START_SECONDS_MAX)

    def wait_streaming(self, replica: Server, seconds: float) -> None:
        question = ("select 1 from pg_stat_replication where state = 'streaming' and "
                    f"application_name = {quoted(replica.name)}")
        process.wait_until(lambda: self.primary.sql(question) == "1", seconds,
                           f"streaming {replica.name}", step=0.05)

    def wait_replayed(self, seconds: float = START_SECONDS_MAX) -> None:
        """Until every replica shows what the primary has committed so far."""
        lsn = self.primary.sql("select pg_current_wal_lsn()")
        for replica in self.replicas:
            question = f"select pg_last_wal_replay_lsn() >= {quoted(lsn)}::pg_lsn"
            process.wait_until(lambda r=replica: r.sql(question) == "t", seconds,
                               f"replay on {replica.name}", step=0.02)

    def promote(self, replica: Server) -> None:
        """Fails over to `replica`; the others follow it, the old primary stays as it is."""
        replica.sql("select pg_promote(true, 30)")
        process.wait_until(lambda: replica.sql("select pg_is_in_recovery()") == "f", 30,
                           f"promotion of {replica.name}")
        self.replicas.remove(replica)
        self.primary = replica
        for other in self.replicas:
            replica.ensure_slot(other.slot())
            other.follow(replica)
            other.reload()
            self.wait_streaming(other, START_SECONDS_MAX)

    def servers(self) -> list[Server]:
        return [self.primary, *self.replicas]

    def stop(self, how: int = signal.SIGINT) -> None:
        for server in (*self.replicas, self.primary):
            server.stop(how)
        if self.sockets != Path():
            shutil.rmtree(self.sockets, ignore_errors=True)
