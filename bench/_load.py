"""The load: pgbench -S, and what it says."""

import dataclasses
import glob
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

from bench import _peers
from tools import process
from tools.pgcluster import BIN


@dataclasses.dataclass(frozen=True)
class Case:
    """One way to put load on a peer."""

    mode: str  # simple, extended, prepared
    clients: int
    tls: bool
    reconnect: bool
    threads: int = 1

    def title(self) -> str:
        return (f"{self.mode}, {self.clients} client{'s' if self.clients > 1 else ''}, "
                f"{'TLS' if self.tls else 'plain'}, "
                f"{'reconnecting' if self.reconnect else 'persistent'}")


def percentile(ordered: list, share: float):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


WARM_UP_US = 1_000_000  # server connections are opened, plans made
WINDOW_US = 1_000_000
WINDOW_COUNT_MIN = 200  # fewer have no 99th percentile


def read_log(folder: str) -> list[tuple[int, int]]:
    """pgbench's log, in order: (end of the query, its latency), in us. Without its first second,
    unless it has no other."""
    finished = []
    for name in glob.glob(f"{folder}/log*"):
        for line in Path(name).read_text().splitlines():
            _, _, latency, _, seconds, fraction = line.split()[:6]
            if latency.isdigit():  # not "failed"
                finished.append((int(seconds) * 1_000_000 + int(fraction), int(latency)))
    finished.sort()
    begin = finished[0][0] + WARM_UP_US if finished else 0
    return [one for one in finished if one[0] >= begin] or finished


def windows(finished: list[tuple[int, int]]) -> list[list[int]]:
    """The latencies of each whole second, sorted."""
    found: dict[int, list[int]] = {}
    if not finished or finished[-1][0] - finished[0][0] < WINDOW_US:
        return []
    for end, latency in finished:
        found.setdefault((end - finished[0][0]) // WINDOW_US, []).append(latency)
    found.pop(max(found))  # not a whole one
    return [sorted(one) for one in found.values() if len(one) >= WINDOW_COUNT_MIN]


def tail(seconds: list[list[int]]) -> float | None:
    """p99/p50 within a second, the median second's. With as many queries under way as there are
    clients, each takes clients / TPS: over a whole run the ratio tells how the machine's speed
    changed, within a second how evenly the clients were served."""
    ratios = [percentile(one, 0.99) / percentile(one, 0.5) for one in seconds]
    return statistics.median(ratios) if ratios else None


def run(peer, case: Case, seconds: float, script: Path | None = None) -> dict:
    """One measurement: TPS, p50 and p99 in microseconds, CPU of the peer for each query, or for
    each run of `script`, pgbench's own language."""
    with tempfile.TemporaryDirectory(prefix="howdah-bench-") as folder:
        command = [BIN / "pgbench", *(["-f", script] if script else ["-S"]), "-n", "-M", case.mode, "-c", str(case.clients), "-j",
                   str(min(case.threads, case.clients)),
                   "-T", str(max(1, round(seconds))), "-h", "127.0.0.1", "-p", str(peer.port),
                   "-U", _peers.USER, "-l", "--log-prefix", f"{folder}/log",
                   "--sampling-rate", "0.25", *(["-C"] if case.reconnect else []),
                   _peers.DATABASE]
        before = _peers.cpu_us(peer.process.pid)
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              env={**process.clean_environment(),
                                   "PGSSLMODE": "require" if case.tls else "disable"})
        spent = _peers.cpu_us(peer.process.pid) - before
        finished = read_log(folder)
    queries = re.search(r"actually processed: (\d+)", done.stdout)
    tps = re.search(r"tps = ([\d.]+)", done.stdout)
    failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
    if done.returncode != 0 or not queries or int(queries[1]) == 0:
        return {"error": (done.stderr or done.stdout).strip()[-300:]}
    latencies = sorted(latency for _, latency in finished)
    return {"tps": float(tps[1]), "queries": int(queries[1]),
            "failed": int(failed[1]) if failed else 0,
            "p50_us": percentile(latencies, 0.5), "p99_us": percentile(latencies, 0.99),
            "p99_over_p50": tail(windows(finished)),
            "cpu_us_per_query": spent / int(queries[1])}
