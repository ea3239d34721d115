"""What insight costs a query as a whole: CPU of a howdah with it and of one without, same load.

Two figures: CPU time by the kernel's account, which the machine's other work sways, and instructions
in user space by callgrind, which it does not; these where valgrind is installed.
"""

import re
import shutil
import statistics
import subprocess
import time

from bench import _load, _peers
from bench import proxy as bench_proxy
from tools import process
from tools.pgcluster import BIN
from tools.shell import Failed, say

# Every statement is looked at: a share of them would look cheaper than it is.
ALL_LOOKED_AT = {"insight_sample_above": "10000000"}
MODES = ("simple", "prepared")
CLIENTS = 16
# Transactions of each client: the difference of the two runs is free of what start and end cost.
COUNTED = (100, 500)


class WithInsight(_peers.HowdahEpoll):
    name = "insight-on"

    def settings(self) -> dict[str, str]:
        return super().settings() | {"insight": "1", **ALL_LOOKED_AT}


class WithoutInsight(_peers.HowdahEpoll):
    name = "insight-off"

    def settings(self) -> dict[str, str]:
        return super().settings() | {"insight": "0"}


class Counted:
    """Mixin: the same howdah under callgrind, whose reader chokes on clang's debug information."""

    def command(self) -> list[str]:
        program, *rest = super().command()
        bare = self.folder / "howdah"
        process.run(["strip", "-o", bare, program])
        return ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", bare, *rest]

    def is_up(self) -> bool:
        time.sleep(0.2)  # a probe each millisecond would be what is counted
        return super().is_up()

    def counted(self) -> int:
        """Instructions of the process that has ended."""
        found = re.search(r"Collected : (\d+)", (self.folder / "log").read_text())
        if not found:
            raise Failed(f"callgrind says nothing in {self.folder / 'log'}")
        return int(found[1])


class CountedWith(Counted, WithInsight):
    name = "counted-on"


class CountedWithout(Counted, WithoutInsight):
    name = "counted-off"


def instructions(peer, mode: str) -> float:
    """In user space for each query, all threads."""
    totals = []
    for transactions in COUNTED:
        peer.start()
        try:
            process.run([BIN / "pgbench", "-S", "-n", "-M", mode, "-c", CLIENTS, "-j", "1",
                         "-t", transactions, "-h", "127.0.0.1", "-p", peer.port,
                         "-U", _peers.USER, _peers.DATABASE])
            time.sleep(1)  # the control plane's thread comes to the end of what it was told
        finally:
            peer.stop()
        totals.append(peer.counted())
    return (totals[1] - totals[0]) / ((COUNTED[1] - COUNTED[0]) * CLIENTS)


def count(world, program=None) -> dict[str, dict]:
    peers = [CountedWith(world, False), CountedWithout(world, False)]
    found = {}
    for mode in MODES:
        for peer in peers:
            peer.program = program or peer.program
        on, off = (instructions(peer, mode) for peer in peers)
        found[mode] = {"on": on, "off": off, "difference": on - off}
    return found


def spent(peer, case, seconds: float) -> float:
    """Microseconds of CPU for each query, all threads of the process."""
    result = _load.run(peer, case, seconds)
    if "error" in result:
        raise Failed(f"{peer.name}: {result['error']}")
    return result["cpu_us_per_query"]


def difference(on, off, case, rounds: int, seconds: float) -> dict:
    """Pairs of runs, each the other way round than the one before: what warms up hits both."""
    pairs = []
    for number in range(rounds):
        order = (on, off) if number % 2 == 0 else (off, on)
        cost = {peer.name: spent(peer, case, seconds) for peer in order}
        pairs.append((cost[on.name], cost[off.name]))
    differences = [with_it - without for with_it, without in pairs]
    ratios = sorted(with_it / without for with_it, without in pairs)
    return {"median_us": statistics.median(differences), "min_us": min(differences),
            "max_us": max(differences), "ratio": statistics.median(ratios),
            "ratio_min": ratios[0], "ratio_max": ratios[-1], "on_us": statistics.median(p[0] for p in pairs),
            "off_us": statistics.median(p[1] for p in pairs), "rounds": rounds}


def measure(rounds: int, seconds: float, program=None) -> dict[str, dict]:
    options = bench_proxy.parse(["--quick"])
    found = {}
    with bench_proxy.World(options) as world:
        peers = [WithInsight(world, False), WithoutInsight(world, False)]
        try:
            for peer in peers:
                peer.program = program or peer.program
                peer.start()
            for mode in MODES:
                case = _load.Case(mode, CLIENTS, False, False)
                for peer in peers:
                    spent(peer, case, 1)  # texts are known from here on
                found[mode] = difference(*peers, case, rounds, seconds)
        finally:
            for peer in peers:
                peer.stop()
        if shutil.which("valgrind"):
            for mode, counted in count(world, program).items():
                found[mode]["instructions"] = counted
    return found


def show(found: dict[str, dict], target_us: float) -> int:
    """How many modes miss the target."""
    missed = 0
    say(f"\n{'whole cost a query, us of CPU':30} {'on - off (spread)':22} {'on':>6} {'off':>6} "
        f"{'on / off (spread)':22}")
    for mode, cost in found.items():
        late = cost["median_us"] > target_us
        missed += late
        spread = f"{cost['median_us']:.2f} ({cost['min_us']:.2f} to {cost['max_us']:.2f})"
        ratio = f"{cost['ratio']:.3f} ({cost['ratio_min']:.3f} to {cost['ratio_max']:.3f})"
        say(f"  {mode:28} {spread:22} {cost['on_us']:6.2f} {cost['off_us']:6.2f} {ratio:22}"
            f"{'   missed' if late else ''}")
    counted = {mode: cost["instructions"] for mode, cost in found.items() if "instructions" in cost}
    if not counted:
        say("  no valgrind here: instructions are not counted")
    for mode, cost in counted.items():
        say(f"  {mode + ', instructions':28} {cost['difference']:<22.0f} {cost['on']:6.0f} "
            f"{cost['off']:6.0f} {cost['on'] / cost['off']:.3f}")
    return missed
