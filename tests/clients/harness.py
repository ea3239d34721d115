"""How tests/clients runs a driver: which scenarios it has, what starts it, what it printed."""

import json
import subprocess
from pathlib import Path

from tools import node, process, shell
from tools.shell import BUILD, ROOT

HERE = Path(__file__).parent
SETS = {"wire": ("psql", "psycopg", "asyncpg", "jdbc", "pg", "postgresjs"),
        "orm": ("drizzle", "prisma")}
DRIVERS = (*SETS["wire"], *SETS["orm"], "pgbench")
RUN_SECONDS_MAX = 150
JDBC_JAR = "/usr/share/java/postgresql.jar"


def scenarios(driver: str, behind: str) -> list[str]:
    """The names that `driver` must print when run behind "howdah", "pgbouncer" or "direct"."""
    names = []
    for line in (HERE / "scenarios.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, drivers, what = (part.strip() for part in line.split("|"))
        assert what, f"{name} does not say what it compares"
        words = drivers.split()
        allowed = {d for w in words for d in SETS.get(w, (w,)) if not w.startswith("!")}
        assert allowed <= set(DRIVERS), f"{name}: unknown driver in {allowed}"
        if driver in allowed and f"!{behind}" not in words:
            names.append(name)
    return names


def java_classes() -> Path:
    place = BUILD / "clients" / "java"
    place.mkdir(parents=True, exist_ok=True)
    sources = sorted((HERE / "java").glob("*.java"))
    made = place / "JdbcClient.class"
    newest = max(source.stat().st_mtime for source in sources)
    if not made.exists() or made.stat().st_mtime < newest:
        shell.run(["javac", "-Xlint:all", "-Werror", "-cp", JDBC_JAR, "-d", place, *sources])
    return place


def command(driver: str) -> list[str]:
    if driver in ("psql", "pgbench", "psycopg", "asyncpg"):
        return ["/usr/bin/python3", "-B", str(HERE / "python" / f"{driver}_client.py")]
    if driver == "jdbc":
        return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{java_classes()}:{JDBC_JAR}",
                "JdbcClient"]
    return ["node", str(node.bundle() / f"{driver}_client.mjs")]


def run(driver: str, uri: str, names: list[str]) -> dict[str, dict]:
    """Runs the driver's program; what it printed for each scenario, or why it did not."""
    try:
        line = [*command(driver), *names]
    except shell.Failed as error:  # said once for all its scenarios, not tried for each again
        return {name: {"error": f"{driver} cannot start: {error}; {error.rerun}"} for name in names}
    again = f"DATABASE_URL={uri} {shell.quote(line[:-len(names)])}"
    try:
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True,
                              timeout=RUN_SECONDS_MAX,
                              env={**process.clean_environment(), "DATABASE_URL": uri,
                                   "LC_ALL": "C.UTF-8"})
        text, end = done.stdout, f"ended with {done.returncode}: {done.stderr}"
    except subprocess.TimeoutExpired as late:
        text, end = (late.stdout or b"").decode(), f"did not end in {RUN_SECONDS_MAX} s"
    outcomes = {name: {"error": f"{driver} {end}\n{again} {name}"} for name in names}
    for entry in map(json.loads, text.splitlines()):
        name = entry.pop("scenario")
        assert name in names, f"{driver} printed {name}, which it was not asked for"
        outcomes[name] = entry
    return outcomes
