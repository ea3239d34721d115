"""What insight costs a query as a whole: CPU of a howdah with it and of one without, same load."""

import statistics

from bench import _load, _peers
from bench import proxy as bench_proxy
from tools.shell import Failed, say

# Every statement is looked at: a share of them would look cheaper than it is.
ALL_LOOKED_AT = {"insight_sample_above": "10000000"}
MODES = ("simple", "prepared")


class WithInsight(_peers.HowdahEpoll):
    name = "insight-on"

    def settings(self) -> dict[str, str]:
        return super().settings() | {"insight": "1", **ALL_LOOKED_AT}


class WithoutInsight(_peers.HowdahEpoll):
    name = "insight-off"

    def settings(self) -> dict[str, str]:
        return super().settings() | {"insight": "0"}


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
    return {"median_us": statistics.median(differences), "min_us": min(differences),
            "max_us": max(differences), "on_us": statistics.median(p[0] for p in pairs),
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
                case = _load.Case(mode, 8, False, False)
                for peer in peers:
                    spent(peer, case, 1)  # texts are known from here on
                found[mode] = difference(*peers, case, rounds, seconds)
        finally:
            for peer in peers:
                peer.stop()
    return found


def show(found: dict[str, dict], target_us: float) -> int:
    """How many modes miss the target."""
    missed = 0
    say(f"\n{'whole cost a query, us of CPU':32} {'on - off (spread)':24} {'on':>7} {'off':>7}")
    for mode, cost in found.items():
        late = cost["median_us"] > target_us
        missed += late
        spread = f"{cost['median_us']:.2f} ({cost['min_us']:.2f} to {cost['max_us']:.2f})"
        say(f"  {mode:30} {spread:24} {cost['on_us']:7.2f} {cost['off_us']:7.2f}"
            f"{'   missed' if late else ''}")
    return missed
