"""./dev profile: runs a counting build under the load that the query path is optimised for.

The load: single queries by each protocol, blocks, pipelines, rows in bulk, COPY, TLS, new
connections, on both backends. What it leaves out (the console, cancels, errors of peers) is compiled
as without a profile.
"""

import itertools
import os
import shutil
import subprocess
import types
from pathlib import Path

from bench import _load, _peers, proxy
from tools import process
from tools.pgcluster import BIN
from tools.shell import BUILD, ROOT, Failed, say

PROGRAM = BUILD / "profile" / "howdah"
PROFILE = ROOT / "cmake" / "query_path.profdata"
BACKENDS = ("howdah-io_uring", "howdah-epoll")
SECONDS = 3

PIPELINE = r"""
\set aid random(1, 1000000)
\startpipeline
select abalance from pgbench_accounts where aid = :aid;
select abalance from pgbench_accounts where aid = :aid + 1;
select abalance from pgbench_accounts where aid = :aid + 2;
\endpipeline
"""
BLOCK = r"""
\set aid random(1, 1000000)
begin;
select abalance from pgbench_accounts where aid = :aid;
update pgbench_accounts set abalance = abalance + 1 where aid = :aid;
commit;
"""
ROWS = r"""
\set aid random(1, 999000)
select * from pgbench_accounts where aid between :aid and :aid + 200;
"""
COPIES = r"""
copy (select * from pgbench_accounts limit 100000) to stdout \g /dev/null
begin;
create temp table copied (like pgbench_accounts) on commit drop;
\copy copied from program 'seq 1 100000 | sed "s/$/\\t1\\t0\\tx/"'
commit;
set application_name = 'training';
select count(*) from pgbench_accounts;
"""


def load(peer, case: _load.Case, script: Path | None = None) -> None:
    if "error" in (result := _load.run(peer, case, SECONDS, script)):
        raise Failed(f"{peer.name}, {case.title()}: {result['error']}")


def train(peer) -> None:
    for mode, clients in itertools.product(proxy.MODES, (16, 64)):
        load(peer, _load.Case(mode, clients, peer.tls, False))
    load(peer, _load.Case("simple", 8, peer.tls, True))
    if peer.tls:
        return
    for name, script in (("pipeline", PIPELINE), ("block", BLOCK), ("rows", ROWS)):
        path = peer.write(name, script)
        for mode in proxy.MODES:
            if name != "pipeline" or mode != "simple":  # which pgbench refuses
                load(peer, _load.Case(mode, 16, False, False), path)
    process.run([BIN / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1",
                 "-p", peer.port, "-U", _peers.USER, "-d", _peers.DATABASE,
                 "-f", peer.write("copies", COPIES)], env={"PGSSLMODE": "disable"})


def main() -> None:
    options = types.SimpleNamespace(pool_size=16, howdah_set={}, pgbouncer="")
    with proxy.World(options) as world:
        counts = world.folder / "counts"
        shutil.rmtree(counts, ignore_errors=True)  # of an earlier training
        counts.mkdir()
        process.give_to_server_user(counts)
        os.environ["LLVM_PROFILE_FILE"] = f"{counts}/%p.profraw"
        for name in BACKENDS:
            for tls in (False, True):
                peer = _peers.ALL[name](world, tls)
                peer.program = PROGRAM
                say(f"training {name}{' over TLS' if tls else ''}")
                peer.start()
                try:
                    train(peer)
                finally:
                    peer.stop()
        found = sorted(counts.glob("*.profraw"))
        if len(found) != 2 * len(BACKENDS):
            raise Failed(f"{len(found)} of {2 * len(BACKENDS)} programs left their counts")
        # Sparse: what did not run is unknown, not cold.
        subprocess.run(["llvm-profdata-19", "merge", "--sparse", "-o", PROFILE, *found], check=True)
    say(f"{PROFILE.relative_to(ROOT)}: {PROFILE.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
