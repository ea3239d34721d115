"""The scenarios with psql: tests/clients/psql/NAME.sql, what it prints and how it ends."""

import os
import subprocess
import sys
from pathlib import Path

from common import URI, emit

SCRIPTS = Path(__file__).resolve().parent.parent / "psql"
SECONDS_MAX = 60


def run(script: Path) -> dict:
    done = subprocess.run(["psql", "-X", "-P", "pager=off", "-v", "VERBOSITY=verbose", "-d", URI,
                           "-v", f"uri={URI}", "-f", script], env={**os.environ, "URI": URI},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS_MAX, cwd=SCRIPTS)
    # The folder and the port of this run are no part of the result.
    text = done.stdout.replace(f"{SCRIPTS}/", "")
    port = URI.rsplit(":", 1)[1].split("/")[0]
    return {"status": done.returncode, "lines": text.replace(f"port {port}", "port N").splitlines()}


for name in sys.argv[1:] or sorted(p.stem for p in SCRIPTS.glob("*.sql")):
    try:
        emit(name, {"result": run(SCRIPTS / f"{name}.sql")})
    except (OSError, subprocess.SubprocessError) as error:
        emit(name, {"error": str(error)})
