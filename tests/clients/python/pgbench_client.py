"""The scenarios of pgbench: what its transactions leave in the tables, and how it ends.

With a fixed seed each client does the same transactions in every run, and what they add up to does
not depend on their order.
"""

import re
import subprocess
import sys
from pathlib import Path

from common import URI, emit

SCRIPTS = Path(__file__).resolve().parent.parent / "pgbench"
MODES = ("simple", "extended", "prepared")
SECONDS_MAX = 120
COUNTED = ("number of transactions actually processed", "number of failed transactions")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def pgbench(*arguments: str) -> list[str]:
    """Eight clients, 40 transactions each; the lines that do not tell of time."""
    text = run("pgbench", "-n", "-c", "8", "-j", "2", "-t", "40", "--random-seed=7",
               *arguments, URI)
    return [re.sub(r" \([0-9.]+%\)", "", line) for line in text.splitlines()
            if line.startswith(COUNTED)]


def sql(text: str) -> str:
    return run("psql", "-XAtq", "-d", URI, "-c", text)


def initialise() -> None:
    run("pgbench", "-i", "-q", "--foreign-keys", URI)


def balances() -> str:
    return sql("select (select sum(abalance) from pgbench_accounts), (select sum(bbalance) from "
               "pgbench_branches), (select md5(string_agg(tbalance::text, ',' order by tid)) from "
               "pgbench_tellers), (select count(*) from pgbench_history)")


def tpcb():
    out = []
    for mode in MODES:
        initialise()
        out += [pgbench("-M", mode), balances()]
    return out


def select_only():
    initialise()
    return [pgbench("-S", "-M", mode) for mode in MODES]


def reconnecting():
    initialise()
    return [pgbench("-C", "-M", mode) for mode in MODES] + [balances()]


def pipelined():
    out = []
    for mode in ("extended", "prepared"):
        initialise()
        out += [pgbench("-M", mode, "-f", str(SCRIPTS / "pipelined.sql")), balances()]
    return out


def retried():
    sql("create table counters (id int primary key, n int)")
    sql("insert into counters values (1, 0), (2, 0), (3, 0)")
    lines = [pgbench("-M", mode, "--max-tries=1000", "-f", str(SCRIPTS / "retried.sql"))
             for mode in MODES]
    return [lines, sql("select id, n from counters order by id")]


def variables():
    initialise()
    return [pgbench("-f", str(SCRIPTS / "variables.sql")),
            sql("select abalance, count(*) from pgbench_accounts group by 1 order by 1")]


for name in sys.argv[1:]:
    try:
        emit(name, {"result": globals()[name]()})
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        emit(name, {"error": str(error)})
