"""The soak: howdah under a sanitizer and a mixed load, minutes long. ./dev soak [MINUTES] [PRESET]

Two poolers with two loops each, one on io_uring and one on epoll, one with TLS to its server, in
front of one PostgreSQL. Passes when every load has come off again and again, nobody has waited for a
server in vain, no sanitizer has said anything, no client is known that has left, and both end by
themselves when they are told to.
"""

import contextlib
import datetime
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

from tests.auth.harness import Authority
from tests.proxy import wire_client as wire
from tests.soak.loads import Place, all_loads
from tools import build, process, proxy, sanitizer
from tools.pgcluster import BIN, FAST, Cluster
from tools.shell import BUILD, say

USER, PASSWORD = "app", "app-secret"
STOP_SECONDS_MAX = 60
LEFT_SECONDS_MAX = 20
DONE_MIN = 2  # rounds of each load
QUERY_WAIT_SECONDS = 30
STAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) UTC ")
BACKENDS = {"io_uring": "require", "epoll": "disable"}  # and their server_tls_sslmode


class SanitizedProxy(proxy.Proxy):
    """howdah with what the sanitizers are told; their reports go to files beside the log."""

    def start(self, *, port: int = 0) -> None:
        os.environ.update(sanitizer.environment(self.folder))
        super().start(port=port)

    def reports(self) -> list[Path]:
        return sanitizer.reports(self.folder)


@contextlib.contextmanager
def servers(preset: str):
    name = f"soak-{preset}"
    shutil.rmtree((BUILD / name).resolve(), ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        (BUILD / name).unlink()
    folder = process.server_folder(name)
    certificates = folder / "certificates"
    certificates.mkdir()
    process.give_to_server_user(certificates)
    pair = Authority(certificates, "soak").issue("localhost")
    settings = {**FAST, "ssl": "on", "ssl_cert_file": str(pair[0]), "ssl_key_file": str(pair[1])}
    with Cluster(folder, settings=settings) as cluster:
        primary = cluster.primary
        primary.sql(f"create role {USER} login password '{PASSWORD}'")
        primary.sql("create role other_role; grant other_role to app; grant pg_signal_backend to app")
        primary.sql(f"create database soak owner {USER}")
        uri = primary.uri(USER, PASSWORD, "soak")
        process.run([BIN / "pgbench", "-q", "-i", "-s", "2", uri])
        primary.sql(f"set role {USER}; create sequence counter; create table numbers as "
                    "select i from generate_series(1, 6) i; " + "; ".join(
                        f"create table mine{i}(i int)" for i in range(3)), "soak")
        yield cluster, [start_proxy(folder / backend, preset, primary.port, pair)
                        for backend in BACKENDS]


def start_proxy(place: Path, preset: str, server_port: int, pair) -> SanitizedProxy:
    place.mkdir()
    process.give_to_server_user(place)
    http_port = process.free_port()
    address = f"host=127.0.0.1 port={server_port} dbname=soak"
    one = SanitizedProxy(
        place, {USER: PASSWORD}, binary=build.binary(preset),
        databases={"soak": address, "soak_session": f"{address} pool_mode=session pool_size=60"},
        settings={"pool_mode": "transaction", "default_pool_size": "12", "loops": "2",
                  "backend": place.name, "server_tls_sslmode": BACKENDS[place.name],
                  "http_listen": f"127.0.0.1:{http_port}", "client_tls_sslmode": "allow",
                  "client_tls_cert_file": str(pair[0]), "client_tls_key_file": str(pair[1]),
                  "max_prepared_statements": "20", "server_idle_timeout": "2",
                  "server_lifetime": "20", "query_wait_timeout": str(QUERY_WAIT_SECONDS)})
    one.http_port = http_port
    one.start()
    return one


def watch(place: Place, loads: list) -> str:
    """Until the time is over, or a pooler is; what went wrong, if anything."""
    said = time.monotonic()
    while not place.over():
        place.stopping.wait(0.5)
        place.serve_restarts()
        for one in place.poolers:
            if one.process.poll() is not None:
                return f"howdah ended with {one.process.returncode}: {one.log_end()}"
            if one.reports():
                return "a sanitizer has found something"
        if time.monotonic() - said > 60:
            said = time.monotonic()
            say(f"{place.ends - said:.0f} s left, {sum(load.done for load in loads)} rounds")
    return ""


def run_loads(place: Place, loads: list) -> list[str]:
    try:
        for load in loads:
            load.thread.start()
        wrong = watch(place, loads)
    finally:
        place.stopping.set()
        for load in loads:
            load.thread.join(100)
    problems = [wrong] if wrong else []
    problems += [f"{load.line()}: too few" for load in loads if load.done < DONE_MIN]
    return problems + [f"{load.name} hangs" for load in loads if load.thread.is_alive()]


def soak(minutes: float, preset: str) -> int:
    with servers(preset) as (cluster, poolers):
        place = Place(cluster=cluster, poolers=poolers, seconds=minutes * 60)
        loads = all_loads(place)
        problems = run_loads(place, loads)
        for one in poolers:
            problems += still_there(one)
            problems += end(one)
            problems += [sanitizer.text(report) for report in one.reports()]
            if waited := waited_in_vain(one.log.read_text()):
                problems.append(f"{one.folder.name}: {waited} clients waited for a server in vain")
        for load in loads:
            say(load.line())
        for problem in problems:
            say(f"FAILED {problem}")
        say(f"soak of {minutes:g} minutes under {preset}: "
            f"{'failed' if problems else 'nothing found'}")
        return 1 if problems else 0


def still_there(one: SanitizedProxy) -> list[str]:
    """Nobody is connected any more, so no client is known of but the one that asks."""
    if one.process.poll() is not None:
        return []

    def clients() -> list[str]:
        with contextlib.closing(wire.Client(one.uri("howdah"), timeout=20)) as client:
            return [repr(row.body) for row in client.ask(wire.query("show clients"))
                    if row.type == "D" and b"soak" in row.body]
    try:
        process.wait_until(lambda: not clients(), LEFT_SECONDS_MAX, "end of the clients")
    except process.Failed:
        return [f"{one.folder.name}: a client is known that has left: {row}" for row in clients()]
    return []


def waited_in_vain(log: str) -> int:
    """How many waited for QUERY_WAIT_SECONDS while it was not a PAUSE that they waited for.

    PAUSE waits for session-mode clients, and pgbench, with some connections open, for its next one:
    such a pause lasts until the next one is refused.
    """
    found, paused_at, paused_seconds, resumed_at = 0, None, 0.0, 0.0
    for line in log.splitlines():
        stamp = STAMP.match(line)
        if not stamp:
            continue
        now = datetime.datetime.fromisoformat(stamp[1]).timestamp()
        if "PAUSE" in line and line.endswith("command issued"):
            paused_at = paused_at or now
        elif "RESUME" in line and line.endswith("command issued") and paused_at:
            paused_seconds, paused_at, resumed_at = now - paused_at, None, now
        elif "pooler error: query_wait_timeout" in line:
            if paused_at:
                pause = now - paused_at
            else:
                pause = paused_seconds if now - resumed_at < 5 else 0.0
            found += pause < QUERY_WAIT_SECONDS - 5
    return found


def end(one: SanitizedProxy) -> list[str]:
    """SIGTERM: everything has left, so it ends at once, and well."""
    if one.process.poll() is None:
        one.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(Exception):
            one.process.wait(STOP_SECONDS_MAX)
    status = one.process.poll()
    process.stop(one.process, signal.SIGKILL)
    return [] if status == 0 else [f"howdah ended with {status}: {one.log_end(20)}"]


if __name__ == "__main__":
    sys.exit(soak(float(sys.argv[1]), sys.argv[2]))
