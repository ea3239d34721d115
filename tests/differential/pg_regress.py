"""PostgreSQL's own regression tests, directly and through howdah: the same output is demanded.

The tests are in PostgreSQL's sources (on Debian `apt-get source postgresql-15`), pg_regress is in
postgresql-client-15. What may differ is in KNOWN, with the reason.

    python3 -m tests.differential.pg_regress --source postgresql-15.18/src/test/regress
    python3 -m tests.differential.pg_regress --source ... --mode session --backend epoll
    python3 -m tests.differential.pg_regress --source ... --program /usr/sbin/pgbouncer
"""

import argparse
import difflib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import pgcluster, process, proxy
from tools.shell import Failed, say

USER = "regress"
DATABASE = "regression"
PG_REGRESS = pgcluster.BIN.parent / "lib/pgxs/src/test/regress/pg_regress"
RUN_SECONDS_MAX = 900
REUSED = "the server has served another client before"
NAMES = "pg_prepared_statements shows howdah's names"
KNOWN = {
    "session": {"guc": f"{REUSED}: plpgsql is loaded", "temp": f"{REUSED}: it has a temporary schema",
                "stats": f"{REUSED}: sessions are counted"},
    "transaction": {"guc": NAMES, "plancache": NAMES, "prepare": NAMES,
                    "partition_prune": "a function says EXECUTE for a statement prepared outside of it",
                    "temp": f"{REUSED}: it has a temporary schema",
                    "stats": f"{REUSED}: sessions are counted"},
}
DATABASE_SETTINGS = ("lc_messages = 'C'", "lc_monetary = 'C'", "lc_numeric = 'C'", "lc_time = 'C'",
                     "bytea_output = 'hex'", "timezone_abbreviations = 'Default'")


def run(options, folder: Path, through: bool) -> dict[str, list[str]]:
    """The tests on a new cluster; their output by name."""
    pgcluster.HBA = "local all all trust\nhost all all 127.0.0.1/32 trust\n"
    for one in (folder, folder / "cluster"):
        one.mkdir()
        process.give_to_server_user(one)
    settings = {**pgcluster.FAST, "shared_preload_libraries": "", "max_connections": "200",
                "max_prepared_transactions": "10"}
    with pgcluster.Cluster(folder / "cluster", settings=settings) as cluster:
        server = cluster.primary
        server.sql(f"create role {USER} superuser login")
        server.sql(f"create database {DATABASE} template template0 locale 'C'")
        for setting in DATABASE_SETTINGS:
            server.sql(f"alter database {DATABASE} set {setting}")
        if not through:
            return regress(options, folder, server.port)
        own = {"auth_user": USER} if options.program else {"backend": options.backend}
        pooler = proxy.Proxy(
            folder, {USER: ""}, databases={"*": f"host=127.0.0.1 port={server.port}"},
            binary=Path(options.program) if options.program else None,
            settings={"auth_type": "trust", "pool_mode": options.mode, "default_pool_size": "60",
                      "max_client_conn": "500", "max_prepared_statements": "200", **own})
        pooler.start()
        try:
            return regress(options, folder, pooler.port)
        finally:
            pooler.stop()


def regress(options, folder: Path, port: int) -> dict[str, list[str]]:
    output = folder / "output"
    os.umask(0)  # the server writes there, too
    output.mkdir()
    command = [PG_REGRESS, "--use-existing", f"--inputdir={options.source}", f"--outputdir={output}",
               f"--bindir={pgcluster.BIN}", f"--dlpath={options.source}", "--host=127.0.0.1",
               f"--port={port}", f"--user={USER}", f"--dbname={DATABASE}",
               "--max-concurrent-tests=20", f"--schedule={options.source}/parallel_schedule"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=RUN_SECONDS_MAX, env={**process.clean_environment(), "PGUSER": USER})
    found = {one.stem: one.read_text(errors="replace").replace(str(output), "OUTPUT").splitlines()
             for one in sorted((output / "results").glob("*.out"))}
    if not found:
        raise Failed(f"pg_regress: {(done.stderr or done.stdout).strip()[-500:]}")
    return found


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="src/test/regress")
    parser.add_argument("--mode", choices=("session", "transaction"), default="transaction")
    parser.add_argument("--backend", choices=("io_uring", "epoll"), default="io_uring")
    parser.add_argument("--program", help="another pooler that reads a pgbouncer.ini")
    parser.add_argument("--show", action="store_true", help="every difference")
    return parser.parse_args(arguments)


def main(arguments) -> int:
    options = parse(arguments)
    options.source = options.source.resolve()
    folder = process.server_folder("pg-regress")
    try:
        direct = run(options, folder / "direct", False)
        through = run(options, folder / "through", True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    known = KNOWN[options.mode] if not options.program else {}
    unknown = 0
    for name, lines in direct.items():
        other = through.get(name, [])
        if lines == other:
            continue
        unknown += name not in known
        say(f"{name}: {known.get(name, 'DIFFERS')}")
        if options.show or name not in known:
            for line in difflib.unified_diff(lines, other, "direct", "through", n=2, lineterm=""):
                say(f"    {line}")
    same = sum(lines == through.get(name) for name, lines in direct.items())
    say(f"{len(direct)} tests, {same} with the same output, {len(direct) - same - unknown} differ for a "
        f"known reason, {unknown} differ")
    return 1 if unknown else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failed as failure:
        say(f"pg_regress: {failure}")
        sys.exit(3)
