"""Starting the pooler in front of a server: howdah, or PgBouncer where that is what is named.

HOWDAH_BIN names the program, else it is build/<HOWDAH_PRESET>/howdah. howdah gets a howdah.toml, or
with `ini` the same as an ini file and PgBouncer's command line, which give it PgBouncer's ways; a
program called pgbouncer always gets the ini file, for comparison.

HOWDAH_SETTINGS="loops=2 backend=epoll" is what howdah gets where a test does not say otherwise: the
same tests on another configuration.
"""

import os
import signal
import subprocess
from pathlib import Path

from tools import build, process
from tools.shell import Failed

START_SECONDS_MAX = 20
CRASHES = tuple(map(int, (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE,
                          signal.SIGTRAP)))
PGBOUNCER = Path("/usr/sbin/pgbouncer")


def program() -> Path:
    chosen = build.binary(os.environ.get("HOWDAH_PRESET", "release"))
    if not chosen.exists():
        raise Failed(f"{chosen} does not exist", "./dev build")
    return chosen


def secret(name: str, password: str) -> str:
    doubled = password.replace('"', '""')
    return f'"{name}" "{doubled}"\n'


def toml_value(value: str) -> str:
    return value if value.isdigit() else '"' + value.replace('"', '\\"') + '"'


def common_settings() -> dict[str, str]:
    return dict(word.split("=", 1) for word in os.environ.get("HOWDAH_SETTINGS", "").split())


class Proxy:
    """One pooler process: `settings` are [pgbouncer] keys, `users` are names and passwords."""

    def __init__(self, folder: Path, users: dict[str, str], *, databases: dict[str, str],
                 settings: dict[str, str] | None = None, binary: Path | None = None,
                 ini: bool = False):
        self.folder = Path(folder)
        self.users = users
        self.databases = databases
        self.binary = binary or program()
        self.is_howdah = self.binary.name != "pgbouncer"
        self.settings = {**(common_settings() if self.is_howdah else {}), **(settings or {})}
        self.has_toml = self.is_howdah and not ini
        self.port = 0
        self.environment: dict[str, str] | None = None
        self.log = self.folder / "proxy.log"
        self.file = self.folder / ("howdah.toml" if self.has_toml else "proxy.ini")
        self.process: subprocess.Popen | None = None

    def write_config(self) -> None:
        admin = next(iter(self.users))
        settings = {"listen_addr": "127.0.0.1", "listen_port": str(self.port),
                    "unix_socket_dir": "", "auth_type": "scram-sha-256",
                    "auth_file": str(self.folder / "userlist.txt"), "admin_users": admin,
                    "max_client_conn": "1000", **self.settings}
        if self.is_howdah:
            settings.setdefault("http_listen", "")
        if self.has_toml:
            lines = ["[proxy]", *(f"{k} = {toml_value(v)}" for k, v in settings.items())]
            for name, words in self.databases.items():
                lines += ["", f'[databases."{name}"]']
                lines += [f"{k} = {toml_value(v)}" for k, v in
                          (word.split("=", 1) for word in words.split())]
            lines.append("")
        else:  # PgBouncer refuses what it does not know at start-up
            settings.setdefault("ignore_startup_parameters",
                                "extra_float_digits,search_path,options")
            lines = ["[databases]", *(f"{k} = {v}" for k, v in self.databases.items()), "",
                     "[pgbouncer]", *(f"{k} = {v}" for k, v in settings.items()), ""]
        for path, text in ((self.file, "\n".join(lines)),
                           (self.folder / "userlist.txt",
                            "".join(secret(*user) for user in self.users.items()))):
            path.write_text(text)
            process.give_to_server_user(path)
            path.chmod(0o600)

    def command(self) -> list[str]:
        return [str(self.binary), *(["serve"] if self.has_toml else []), str(self.file)]

    def start(self, *, port: int = 0) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port if port and process.is_free(port) else process.free_port()
        # A clone under /root is closed to the server user: there howdah keeps its own.
        keep = self.is_howdah and not process.can_reach(self.binary.parent)
        for _ in range(5):
            self.write_config()
            self.process = process.spawn(self.command(), self.log, keep_user=keep,
                                         on_parent_death="TERM", env=self.environment)
            if self.becomes_ready():
                return
            self.port = process.free_port()
        raise Failed(f"{self.binary.name} does not start: {self.log_end()}",
                     f"{' '.join(self.command())}")

    def becomes_ready(self) -> bool:
        process.wait_until(lambda: self.process.poll() is not None or self.listens(),
                           START_SECONDS_MAX, f"listening {self.binary.name} ({self.log})")
        return self.process.poll() is None

    def listens(self) -> bool:
        """On TCP, and on the unix socket where there is to be one: it comes a little later."""
        folder = self.settings.get("unix_socket_dir", "")
        return process.accepts(self.port) and (
            not folder or (Path(folder) / f".s.PGSQL.{self.port}").exists())

    def log_end(self, lines: int = 5) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def stop(self, how: int = 15) -> None:
        """Failed when it had crashed, or does so now: nobody else may have noticed."""
        if self.process:
            process.stop(self.process, how, 10)
            status, self.process = self.process.returncode, None
            if -status in CRASHES:
                raise Failed(f"{self.binary.name} ended with signal {-status}: {self.log_end(20)}")

    def uri(self, database: str, user: str = "") -> str:
        user = user or next(iter(self.users))
        return f"postgresql://{user}:{self.users[user]}@127.0.0.1:{self.port}/{database}"
