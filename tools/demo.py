"""./dev up: a whole demo under build/demo, and ./dev psql to look at it.

PostgreSQL with two streaming replicas, PantryCRM in it, howdah in front, a light load. All of it is
ours: free loopback ports, an unprivileged user, stopped on Ctrl-C by process id, and by the kernel
when this process is killed. The data folder is used again by the next run.
"""

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tools import build, process, shell
from tools.pgcluster import Cluster, quoted
from tools.proxy import Proxy
from tools.shell import BUILD, ROOT, Failed

EXAMPLE = ROOT / "examples" / "pantrycrm"
DATABASE, USER, PASSWORD = "pantrycrm", "pantry", "pantry"
USUAL_PORTS = {"port": 6432, "http": 6433}  # as in the docs
NAME = os.environ.get("HOWDAH_DEMO", "demo")  # the folder under build/: tests have their own
STATE = BUILD / f"{NAME}.json"
# The demo's data can be made again: no waiting for the disk.
SETTINGS = {"fsync": "off", "full_page_writes": "off",
            "pg_stat_statements.track": "all", "log_min_duration_statement": "1000"}


class Stopped(Exception):
    """Somebody pressed Ctrl-C or sent SIGTERM."""


def options_of(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev up", description="start the demo")
    parser.add_argument("--scale", type=int, default=3, help="1 is 2,000 organizations (3)")
    parser.add_argument("--rate", type=float, default=20, help="requests a second; 0: no load (20)")
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--fresh", action="store_true", help="throw the data folder away first")
    return parser.parse_args(arguments)


def remembered_port(what: str) -> int:
    """Of the demo before this one, so that addresses stay the same; it may be taken."""
    try:
        return int(json.loads(STATE.read_text())[what])
    except (OSError, ValueError, KeyError):
        return USUAL_PORTS[what]


def prepare_database(cluster: Cluster, scale: int) -> str:
    """Loads PantryCRM unless it is there at this scale; says what it did."""
    primary = cluster.primary
    mark = f"PantryCRM at scale {scale}"
    there = primary.sql("select shobj_description(oid, 'pg_database') from pg_database "
                        f"where datname = {quoted(DATABASE)}")
    if there == mark:
        return "already loaded"
    started = time.monotonic()
    half = DATABASE + "_loading"  # renamed when whole: an interrupted load leaves nothing half
    for name in (half, DATABASE):
        primary.sql(f"drop database if exists {name} with (force)")
    primary.sql(f"do $$ begin if not exists (select from pg_roles where rolname = '{USER}') then "
                f"create role {USER} login createdb replication password '{PASSWORD}'; "
                f"grant pg_monitor to {USER}; end if; end $$")
    primary.sql(f"create database {half} owner {USER}")
    primary.sql("create extension hypopg", half)
    primary.sql("create extension pg_stat_statements", half)
    primary.sql(f"alter database {half} set role {USER}")
    primary.file(EXAMPLE / "schema.sql", half)
    primary.file(EXAMPLE / "data.sql", half, {"scale": str(scale), "seed": "1"})
    primary.sql(f"alter database {half} reset role")
    primary.sql(f"alter database {half} rename to {DATABASE}")
    primary.sql(f"comment on database {DATABASE} is {quoted(mark)}")
    return f"loaded in {time.monotonic() - started:.1f} s"


class Demo:
    def __init__(self, options: argparse.Namespace, folder: Path):
        self.options = options
        self.folder = folder
        self.cluster = Cluster(folder, replicas=options.replicas, settings=SETTINGS)
        self.proxy: Proxy | None = None
        self.load: subprocess.Popen | None = None
        self.http, self.http_port = "", 0

    def start(self) -> None:
        self.cluster.start()
        loaded = prepare_database(self.cluster, self.options.scale)
        primary = self.cluster.primary
        settings = {"pool_mode": "session", "default_pool_size": "20", "stats_users": USER}
        if self.howdah():
            port = remembered_port("http")
            self.http_port = port if process.is_free(port) else process.free_port()
            self.http = f"127.0.0.1:{self.http_port}"
            settings.update(pool_mode="transaction", http_listen=self.http)
        self.proxy = Proxy(self.folder, {USER: PASSWORD}, settings=settings,
                           databases={"*": f"host=127.0.0.1 port={primary.port}"})
        self.proxy.start(port=remembered_port("port"))
        if self.options.rate > 0:
            self.load = process.spawn(
                ["/usr/bin/python3", "-B", EXAMPLE / "load.py", "--rate", self.options.rate,
                 "--uri", self.proxy.uri(DATABASE)], self.folder / "load.log", keep_user=True,
                on_parent_death="TERM")
        STATE.write_text(json.dumps({"port": self.proxy.port, "http": self.http_port, "user": USER, "password": PASSWORD,
                                     "database": DATABASE}) + "\n")
        self.describe(loaded)

    @staticmethod
    def howdah() -> bool:
        from tools import proxy
        return proxy.program().name != "pgbouncer"

    def describe(self, loaded: str) -> None:
        name = "howdah" if self.howdah() else "PgBouncer (no howdah in this build)"
        console = self.proxy.uri("howdah" if self.howdah() else "pgbouncer")
        rows = [("application", self.proxy.uri(DATABASE)),
                ("console", f"psql {console} -c 'show pools'")]
        if self.http:
            rows.append(("metrics", f"http://{self.http}/metrics"))
            rows.append(("findings", f"http://{self.http}/api/findings"))
            rows.append(("queries", f"http://{self.http}/api/queries"))
        rows += [(server.name, server.uri(USER, PASSWORD, DATABASE))
                 for server in self.cluster.servers()]
        rows.append(("logs", f"{os.path.relpath(BUILD / NAME, ROOT)}/*.log"))
        shell.say(f"\nPantryCRM is up behind {name}: scale {self.options.scale}, {loaded}\n")
        for label, value in rows:
            shell.say(f"  {label:12} {value}")
        if self.http and self.load:
            shell.say("\n  Findings come after a minute of load.")
        shell.say("\n  ./dev psql in another terminal connects to it. Ctrl-C stops all of it.")

    def watch(self) -> None:
        """Until somebody stops us, or something of ours ends by itself."""
        ours = {server.name: (server.process, server.log) for server in self.cluster.servers()}
        ours["the proxy"] = (self.proxy.process, self.proxy.log)
        if self.load:
            ours["the load"] = (self.load, self.folder / "load.log")
        while True:
            for name, (child, log) in ours.items():
                if child.poll() is not None:
                    raise Failed(f"{name} ended with status {child.returncode}", f"tail {log}")
            time.sleep(0.5)

    def stop(self) -> None:
        if self.load:
            process.stop(self.load, signal.SIGTERM, 8)
        if self.proxy:
            self.proxy.stop()
        self.cluster.stop()


def take_lock():
    """One demo at a time in a build folder; the kernel frees the lock with the process."""
    handle = open(BUILD / f"{NAME}.lock", "w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Failed("a demo is already up from this folder: ./dev psql connects to it") from None
    return handle


def main(arguments: list[str]) -> int:
    options = options_of(arguments)
    from tools import packages
    packages.setup()
    build.build("release", ("howdah",))

    def on_signal(number, frame):
        raise Stopped

    lock = take_lock()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    folder = process.server_folder(NAME)
    if options.fresh:
        for entry in folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    demo = Demo(options, folder)
    try:
        demo.start()
        demo.watch()
    except Stopped:
        shell.say("\nstopping")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        demo.stop()
        lock.close()
    shell.say("stopped")
    return 0


def psql(arguments: list[str]) -> int:
    try:
        state = json.loads(STATE.read_text())
    except OSError:
        raise Failed("no demo here", "./dev up") from None
    if not process.accepts(state["port"]):
        raise Failed("the demo is not up", "./dev up")
    os.environ.update(PGHOST="127.0.0.1", PGPORT=str(state["port"]), PGUSER=state["user"],
                      PGPASSWORD=state["password"], PGDATABASE=state["database"])
    os.execvp("psql", ["psql", *arguments])
