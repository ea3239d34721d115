"""./dev bench proxy: howdah beside PgBouncer, Pgpool-II, HAProxy and bare relays, in one run.

Everything runs on this machine's loopback in front of one PostgreSQL, interleaved in rounds; judge
by ratios within a run. CPU per query is of the peer's own processes and steadier than TPS. With TLS
the poolers end it, while relays and HAProxy pass it through to PostgreSQL. Latencies are without a
run's first second; p99/p50 is that of each second, the median of them (none in runs below 3 s).

    ./dev bench proxy --quick
    ./dev bench proxy --clients 16,64 --modes simple --peers pgbouncer,howdah-io_uring,relay-io_uring
    ./dev bench proxy --scenarios idle,ramp --cases none
"""

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from bench import _load, _peers, _scenarios
from tools import pgcluster, process
from tools.shell import BUILD, Failed, say, warn

MODES = ("simple", "extended", "prepared")
TRUST = "local all all trust\nhost all all 127.0.0.1/32 trust\n"


class World:
    """The one PostgreSQL, certificates, and what all peers share."""

    def __init__(self, options):
        self.options = options
        self.pool_size = options.pool_size
        self.folder = process.server_folder("bench")
        self.certificate = self.folder / "server.crt"
        self.key = self.folder / "server.key"
        self.upstream_port = 0
        pgcluster.HBA = TRUST  # the same for every peer: login is not what is measured
        self.make_certificate()
        settings = {**pgcluster.FAST, "max_connections": "800", "shared_buffers": "256MB",
                    "shared_preload_libraries": "", "ssl": "on",
                    "ssl_cert_file": str(self.certificate), "ssl_key_file": str(self.key)}
        self.cluster = pgcluster.Cluster(self.folder, settings=settings)
        self.server = self.cluster.primary

    def make_certificate(self) -> None:
        kind = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"]}
        process.run(["openssl", "req", "-x509", "-newkey", *kind[getattr(self.options, "certificate", "ec")],
                     "-nodes", "-days", "30", "-subj", "/CN=localhost",
                     "-keyout", self.key, "-out", self.certificate])
        self.key.chmod(0o600)

    def __enter__(self) -> "World":
        self.cluster.start()
        self.upstream_port = self.server.port
        if self.server.sql("select 1 from pg_roles where rolname = 'bench'") == "":
            self.server.sql("create role bench superuser login")
            self.server.sql("create database bench owner bench")
            process.run([pgcluster.BIN / "pgbench", "-i", "-q", "-s", "10", "-h", "127.0.0.1", "-p",
                         str(self.server.port), "-U", _peers.USER, _peers.DATABASE])
        # Warm: the first peer of the first round is not to pay for the others.
        self.server.sql("select count(*) from pgbench_accounts", _peers.DATABASE)
        return self

    def __exit__(self, *error) -> None:
        self.cluster.stop()


def words(choices):
    def parse(text: str) -> list[str]:
        chosen = [] if text == "none" else text.split(",")
        for word in chosen:
            if word not in choices:
                raise argparse.ArgumentTypeError(f"{word}: one of {', '.join(choices)}")
        return chosen
    return parse


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench proxy", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="one mode, 1 and 16 clients, plain, one round of 2 s")
    parser.add_argument("--peers", type=words(_peers.ALL), default=list(_peers.ALL))
    parser.add_argument("--modes", type=words(MODES), default=list(MODES))
    parser.add_argument("--clients", type=lambda t: [int(n) for n in t.split(",")],
                        default=[1, 16, 64, 500])
    parser.add_argument("--tls", type=words(("plain", "tls")), default=["plain", "tls"])
    parser.add_argument("--connections", type=words(("persistent", "reconnect")),
                        default=["persistent", "reconnect"])
    parser.add_argument("--cases", choices=("all", "none"), default="all")
    parser.add_argument("--scenarios", type=words(("idle", "ramp")), default=None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--pool-size", type=int, default=16)
    parser.add_argument("--idle-clients", type=int, default=_scenarios.IDLE_CLIENTS)
    parser.add_argument("--pgbouncer", default="/usr/sbin/pgbouncer", metavar="PATH")
    parser.add_argument("--certificate", choices=("ec", "rsa"), default="ec",
                        help="P-256, or RSA of 2048 bits: a handshake costs the proxy ten times as much")
    parser.add_argument("--threads", type=int, default=1,
                        help="pgbench's: one connects to one server at a time")
    parser.add_argument("--howdah-set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, default=BUILD / "bench-proxy.json", metavar="FILE")
    options = parser.parse_args(arguments)
    options.howdah_set = dict(pair.split("=", 1) for pair in options.howdah_set)
    if options.quick:
        options.modes, options.clients = ["simple"], [1, 16]
        options.tls, options.connections = ["plain"], ["persistent"]
        options.rounds, options.seconds = 1, 2
        options.scenarios = options.scenarios or []
    elif options.scenarios is None:
        options.scenarios = ["idle", "ramp"]
    return options


def cases(options) -> list:
    found = [_load.Case(mode, clients, tls == "tls", connections == "reconnect", options.threads)
             for tls, connections, mode, clients in
             itertools.product(options.tls, options.connections, options.modes, options.clients)]
    # A connection for each query: the protocol's mode makes no difference worth the time.
    return [case for case in found if not case.reconnect
            or (case.mode == options.modes[0] and case.clients <= 64)]


def started(world, tls: bool) -> dict:
    """The chosen peers that can take part, running; the others are named with their reason."""
    running = {}
    for name in world.options.peers:
        peer = _peers.ALL[name](world, tls)
        reason = peer.available()
        if reason:
            warn(f"  {name} does not take part: {reason}")
            continue
        try:
            peer.start()
            running[name] = peer
        except Failed as error:
            peer.stop()
            warn(f"  {name} does not take part: {error}")
    return running


def measure(world, case, peers) -> dict:
    """Rounds over all peers in turn, so that a noisy minute hits them alike."""
    results = {name: [] for name, peer in peers.items() if case.clients <= peer.clients_max}
    for _ in range(world.options.rounds):
        for name in results:
            results[name].append(_load.run(peers[name], case, world.options.seconds))
    return results


def spread(values: list) -> dict | None:
    values = [value for value in values if value is not None]
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratios(results: dict, name: str, base: str) -> dict | None:
    """CPU per query over the base's, round by round."""
    pairs = zip(results.get(name, []), results.get(base, []))
    return spread([mine["cpu_us_per_query"] / theirs["cpu_us_per_query"] for mine, theirs in pairs
                   if "error" not in mine and theirs.get("cpu_us_per_query")])


def summarize(case, results: dict) -> dict:
    peers = {}
    for name, rounds in results.items():
        good = [one for one in rounds if "error" not in one]
        errors = [one["error"] for one in rounds if "error" in one]
        relay = "relay-epoll" if name.endswith("epoll") else "relay-io_uring"
        peers[name] = {
            **{key: spread([one[key] for one in good])
               for key in ("tps", "p50_us", "p99_us", "p99_over_p50", "cpu_us_per_query")},
            "cpu_over_pgbouncer": ratios(results, name, "pgbouncer"),
            "cpu_over_relay": ratios(results, name, relay), "errors": errors, "rounds": rounds}
    return {"case": case.title(), **vars(case), "peers": peers}


def shown(value: dict | None, form: str) -> str:
    if value is None:
        return "-"
    text = format(value["median"], form)
    return text if value["min"] == value["max"] else (
        f"{text} ({format(value['min'], form)}-{format(value['max'], form)})")


def print_case(summary: dict) -> None:
    say(f"\n{summary['case']}")
    say(f"  {'':16} {'TPS':>9} {'p50 us':>8} {'p99 us':>9} {'p99/p50':>8}  "
        f"{'CPU us/query':22} {'of PgBouncer':22} of a relay")
    for name, peer in summary["peers"].items():
        if peer["errors"]:
            say(f"  {name:16} failed: {peer['errors'][0].splitlines()[-1]}")
        if not peer["tps"]:
            continue
        p50, p99 = peer["p50_us"], peer["p99_us"]
        tail = f"{peer['p99_over_p50']['median']:.2f}" if peer["p99_over_p50"] else "-"
        say(f"  {name:16} {peer['tps']['median']:9.0f} {p50['median'] if p50 else 0:8.0f} "
            f"{p99['median'] if p99 else 0:9.0f} {tail:>8}  "
            f"{shown(peer['cpu_us_per_query'], '.1f'):22} "
            f"{shown(peer['cpu_over_pgbouncer'], '.2f'):22} {shown(peer['cpu_over_relay'], '.2f')}")


def run_cases(world) -> list[dict]:
    summaries = []
    for tls, group in itertools.groupby(cases(world.options), key=lambda case: case.tls):
        peers = started(world, tls)
        try:
            for case in group:
                summary = summarize(case, measure(world, case, peers))
                print_case(summary)
                summaries.append(summary)
        finally:
            for peer in peers.values():
                peer.stop()
    return summaries


def run_scenario(world, name: str, peer_name: str) -> dict:
    """One scenario on one pooler, started afresh; an error is a result too."""
    peer = _peers.ALL[peer_name](world, False)
    if reason := peer.available():
        return {"skipped": reason}
    slow = None
    try:
        if name == "ramp":
            count = _scenarios.RAMP_SERVERS
            slow = _scenarios.SlowServer(_scenarios.RAMP_DELAY_SECONDS,
                                         _scenarios.RAMP_QUERY_SECONDS)
            world.upstream_port = slow.port
            peer.extra = {"default_pool_size": str(count)}
            peer.start()
            return _scenarios.ramp_up(peer, count, slow)
        peer.start()
        return _scenarios.idle_clients(peer, world.options.idle_clients)
    except (Failed, OSError) as error:
        return {"error": str(error)}
    finally:
        peer.stop()
        world.upstream_port = world.server.port
        if slow:
            slow.stop()


def run_scenarios(world) -> dict:
    found = {}
    poolers = [name for name in world.options.peers
               if issubclass(_peers.ALL[name], _peers.PgBouncer)]
    for name in world.options.scenarios:
        say(f"\n{name}")
        found[name] = {}
        for peer in poolers:
            result = run_scenario(world, name, peer)
            found[name][peer] = result
            if "seconds" in result:
                text = (f"{result['servers']} server connections in {result['seconds']:.2f} s, "
                        f"each takes {result['connect_delay_seconds']:.1f} s")
            elif "rss_bytes" in result:
                text = (f"{result['clients']} idle clients: RSS {result['rss_bytes'] / 1e6:.1f} MB, "
                        f"{result['bytes_per_client']:.0f} bytes each")
            else:
                text = result.get("error") or result["skipped"]
            say(f"  {peer:16} {text}")
    return found


def main(arguments) -> int:
    options = parse(arguments)
    _scenarios.raise_file_limit(options.idle_clients + 2000)
    with World(options) as world:
        summaries = run_cases(world) if options.cases == "all" else []
        scenarios = run_scenarios(world)
    version = subprocess.run([options.pgbouncer, "--version"], capture_output=True, text=True)
    report = {"schema": "howdah.bench.proxy/1", "kernel": platform.release(),
              "cores": os.cpu_count(), "pool_size": options.pool_size,
              "rounds": options.rounds, "seconds": options.seconds,
              "pgbouncer": version.stdout.split("\n")[0], "cases": summaries,
              "scenarios": scenarios}
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    say(f"\nresults: {options.out}")
    return 1 if any(peer["errors"] for one in summaries for peer in one["peers"].values()) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failed as failure:
        warn(f"bench proxy: {failure}")
        sys.exit(3)
