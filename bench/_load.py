"""The load: pgbench -S, and what it says."""

import dataclasses
import glob
import re
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

    def title(self) -> str:
        return (f"{self.mode}, {self.clients} client{'s' if self.clients > 1 else ''}, "
                f"{'TLS' if self.tls else 'plain'}, "
                f"{'reconnecting' if self.reconnect else 'persistent'}")


def percentile(ordered: list, share: float):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def run(peer, case: Case, seconds: float) -> dict:
    """One measurement: TPS, p50 and p99 in microseconds, CPU of the peer for each query."""
    with tempfile.TemporaryDirectory(prefix="howdah-bench-") as folder:
        command = [BIN / "pgbench", "-S", "-n", "-M", case.mode, "-c", str(case.clients), "-j", "1",
                   "-T", str(max(1, round(seconds))), "-h", "127.0.0.1", "-p", str(peer.port),
                   "-U", _peers.USER, "-l", "--log-prefix", f"{folder}/log",
                   "--sampling-rate", "0.25", *(["-C"] if case.reconnect else []),
                   _peers.DATABASE]
        before = _peers.cpu_us(peer.process.pid)
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              env={**process.clean_environment(),
                                   "PGSSLMODE": "require" if case.tls else "disable"})
        spent = _peers.cpu_us(peer.process.pid) - before
        latencies = sorted(int(line.split()[2]) for name in glob.glob(f"{folder}/log*")
                           for line in Path(name).read_text().splitlines())
    queries = re.search(r"actually processed: (\d+)", done.stdout)
    tps = re.search(r"tps = ([\d.]+)", done.stdout)
    failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
    if done.returncode != 0 or not queries or int(queries[1]) == 0:
        return {"error": (done.stderr or done.stdout).strip()[-300:]}
    return {"tps": float(tps[1]), "queries": int(queries[1]),
            "failed": int(failed[1]) if failed else 0,
            "p50_us": percentile(latencies, 0.5), "p99_us": percentile(latencies, 0.99),
            "cpu_us_per_query": spent / int(queries[1])}
