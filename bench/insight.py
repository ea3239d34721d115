"""Live insight: what it costs a statement, on the loop and on the control plane's thread.

    ./dev bench insight [--json FILE] [--rounds N] [--seconds S]

On the loop: at most 1 us a statement seen before and 30 ns a hashed cell; switched off, nothing
to speak of. On the control plane's thread: at most 1 us a statement, 3 us where every second
request is a loop. As a whole, at most 1 us a query: CPU of a howdah with insight less that of one
without, both under pgbench in turn (16 clients, every statement looked at), and instructions counted
by callgrind where valgrind is installed.
Exit status 1 when a target is missed.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from bench import _insight_load
from tools import shell
from tools.shell import BUILD

PRESET = BUILD / "release"
# Nanoseconds: a statement, or where there are many rows a cell.
TARGETS = {"switched_off": 10, "statement_without_rows": 1000, "statement_with_one_row": 1000,
           "literals_of_a_text": 1000, "integer_cells": 30, "uuid_cells": 30,
           "binary_uuid_cells": 30, "text_cells": 30,
           "ordinary_requests": 1000, "requests_with_loops": 3000}

WHOLE_US = 1.0  # a query, both planes


def measured(module: str, names: str) -> dict[str, float]:
    """Nanoseconds for each item of the module's benchmarks, the best of three."""
    shell.run(["cmake", "--build", PRESET, "--target", f"bench_{module}"], quiet=True)
    program = PRESET / "src" / module / f"bench_{module}"
    text = subprocess.run([program, f"--benchmark_filter={names}", "--benchmark_format=json",
                           "--benchmark_repetitions=3", "--benchmark_min_time=0.2"],
                          capture_output=True, text=True, check=True).stdout
    best: dict[str, float] = {}
    for row in json.loads(text)["benchmarks"]:
        if row["run_type"] != "iteration":
            continue
        name = row["run_name"]
        unit = {"ns": 1, "us": 1e3, "ms": 1e6}[row["time_unit"]]
        spent = 1e9 / row["items_per_second"] if "items_per_second" in row \
            else row["cpu_time"] * unit
        best[name] = min(best.get(name, spent), spent)
    return best


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench insight")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=7, help="0: no load, cells and statements only")
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    proxy = "switched_off|statement_|literals_|_cells"
    found = measured("proxy", proxy) | measured("insight", "requests")
    missed = 0
    shell.say(f"{'':28} {'ns':>10} {'target':>10}")
    for name, target in TARGETS.items():
        late = found[name] > target
        missed += late
        shell.say(f"{name:28} {found[name]:10.1f} {target:10}{'   missed' if late else ''}")
    whole = _insight_load.measure(options.rounds, options.seconds) if options.rounds else {}
    missed += _insight_load.show(whole, WHOLE_US) if whole else 0
    if options.json:
        options.json.write_text(json.dumps({"schema": "howdah.bench-insight/1", "ns": found,
                                            "targets": TARGETS, "whole": whole,
                                            "whole_target_us": WHOLE_US}, indent=1) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
