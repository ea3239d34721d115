"""What howdah says about itself: the overview, every --help, and its examples, which run."""

import os
import pty
import re
import shlex
import shutil
import subprocess

import pytest

from tools import process, proxy
from tools.pgcluster import SUPERUSER

SECONDS_MAX = 120
COMMANDS = ("serve", "lint", "optimize-migrations", "analyze", "migrate", "deploy", "config",
            "completion")
SUBCOMMANDS = (*((name,) for name in COMMANDS),
               *(("migrate", name) for name in ("status", "up", "down", "repair", "new")))
pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer has no subcommands")


def howdah(*words, **more):
    return subprocess.run([str(proxy.program()), *words], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=SECONDS_MAX,
                          env=process.clean_environment(), **more)


@pytest.mark.parametrize("words", [(), ("help",), ("--help",), ("-h",)], ids=str)
def test_overview(words):
    done = howdah(*words)
    assert done.returncode == 0 and done.stderr == ""
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE)
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert len(done.stdout.splitlines()) <= 25


def test_a_misspelled_command_is_told_the_nearest():
    done = howdah("mirgate", "status")
    assert done.returncode == 2 and done.stdout == ""
    assert 'no command mirgate; did you mean "migrate"?' in done.stderr


@pytest.mark.parametrize("words", SUBCOMMANDS, ids=" ".join)
def test_help(words):
    done = howdah(*words, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert f"howdah {' '.join(words)}" in done.stdout
    if len(words) == 1:
        assert howdah("help", *words).stdout == done.stdout
        assert re.search("^examples:", done.stdout, re.IGNORECASE | re.MULTILINE)
    assert howdah(*words, "--no-such-option").returncode == 2


def examples():
    """The lines under "Examples:" of every help, without what stands beside them."""
    for name in COMMANDS:
        text = howdah(name, "--help").stdout
        part = re.split(r"^examples:$", text, flags=re.IGNORECASE | re.MULTILINE)[-1]
        for line in part.splitlines():
            if re.match(r"^ +(howdah|psql|source) ", line):
                yield re.split(r" {2,}", line.strip())[0]


@pytest.fixture(scope="module")
def project(cluster, new_database, tmp_path_factory):
    """A folder and a database in which the examples find what they name."""
    folder = tmp_path_factory.mktemp("examples")
    new_database("examples")
    cluster.primary.sql("create database examples_empty")  # Prisma wants one without tables
    cluster.primary.sql("create extension pg_stat_statements", "examples")
    first = "CREATE TABLE x (id bigint PRIMARY KEY, a int);\n"
    more = "CREATE INDEX CONCURRENTLY x_a ON x (a);\n"
    for place in ("migrations", "drizzle"):
        (folder / place).mkdir()
        (folder / place / "0001_init.sql").write_text(first)
        (folder / place / "0042_x.sql").write_text(more)
    init = folder / "prisma" / "migrations" / "20240101000000_init"
    init.mkdir(parents=True)
    (init / "migration.sql").write_text(first.replace("x ", "y "))
    (folder / "src").mkdir()
    (folder / ".config" / "fish" / "completions").mkdir(parents=True)
    (folder / "src" / "a.ts").write_text("export const a = 1;\n")
    (folder / "q.sql").write_text("SELECT id FROM x WHERE id = 1;\n")
    (folder / "dump.sql").write_text(first)
    (folder / "howdah.toml").write_text("[databases.shop]\nhost = '127.0.0.1'\n")
    shutil.copy(folder / "howdah.toml", folder / "pgbouncer.ini")
    (folder / "pgbouncer.ini").write_text("[databases]\n* = host=127.0.0.1\n[pgbouncer]\n")
    for words in (("init", "-qb", "main"), ("add", "."), ("commit", "-qm", "first")):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", *words], cwd=folder,
                       check=True, capture_output=True)
    return folder


def ours(line: str, cluster, folder) -> str:
    """The example with our server and files in place of its names."""
    database = "examples_empty" if "prisma/" in line else "examples"
    uri = (f"postgresql://{SUPERUSER}@/{database}?host={cluster.sockets}"
           f"&port={cluster.primary.port}")
    line = re.sub(r"postgres(ql)?://\S+", f"'{uri}'", line)
    line = line.replace("/etc/pgbouncer/", "").replace("~", str(folder))
    return re.sub(r"3f9a\S+", "3f9a", line)


def examples_that_end():
    """`howdah serve` is started by tests/docs, a running howdah is asked by tests/analyze and lint."""
    return [line for line in examples()
            if not line.startswith("howdah serve") and "http://" not in line]


@pytest.mark.parametrize("line", examples_that_end())
def test_example_runs(project, cluster, line, request):
    command, shell = ours(line, cluster, project), "zsh" if "completion zsh" in line else "bash"
    env = {**process.clean_environment(), "PATH": f"{proxy.program().parent}:{os.environ['PATH']}",
           "PGHOST": cluster.sockets, "PGPORT": str(cluster.primary.port), "PGUSER": SUPERUSER,
           "PGDATABASE": "examples"}
    place = project / "migrations" if line.startswith("howdah migrate repair") else project
    done = subprocess.run([shell, "-uo", "pipefail", "-c", command], cwd=place, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS_MAX, env=env)
    assert done.returncode in (0, 1), f"{command}: {done.stdout}{done.stderr}"


def on_terminal(command, cwd, **environment) -> str:
    """What a command prints when its output is a terminal."""
    ours_end, theirs = pty.openpty()
    running = subprocess.Popen(command, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs,
                               env={**process.clean_environment(), "TERM": "xterm", **environment})
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours_end, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        text += piece
    os.close(ours_end)
    running.wait(timeout=SECONDS_MAX)
    return text.decode()


def test_colours_only_where_they_are_welcome(project):
    (project / "bad.sql").write_text("DELETE FROM x;\n")
    for command in ([str(proxy.program()), "analyze", "bad.sql"],
                    [str(proxy.program()), "lint", "migrations", "--postgres", "15"]):
        assert "\x1b" not in subprocess.run(command, cwd=project, capture_output=True,
                                            text=True).stdout
    command = [str(proxy.program()), "analyze", "bad.sql"]
    assert "\x1b[" in on_terminal(command, project)
    assert "\x1b[" in on_terminal(command, project, NO_COLOR="")
    assert "\x1b" not in on_terminal(command, project, NO_COLOR="1")
    assert "\x1b" not in on_terminal(command, project, TERM="dumb")
    assert "\x1b" not in on_terminal([*command, "--no-colour"], project)


def completions(line: str) -> set[str]:
    """What the bash completion offers for the last word of `line`."""
    words = line.split(" ")
    script = (f"source <({shlex.quote(str(proxy.program()))} completion bash); "
              f"COMP_WORDS=({' '.join(shlex.quote(w) for w in words)}); "
              f"COMP_CWORD={len(words) - 1}; _howdah; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True,
                          env={**process.clean_environment(),
                               "PATH": f"{proxy.program().parent}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_completion_in_bash():
    assert completions("howdah de") == {"deploy"}
    assert set(COMMANDS) < completions("howdah ")
    assert completions("howdah lint --fail") == {"--fail-on"}
    assert "--dry-run" in completions("howdah migrate up --d")
    assert completions("howdah completion ") == {"bash", "zsh", "fish"}
    named = set(re.findall(r"^  (\w+) ", howdah("migrate", "--help").stdout.split("ubcommands")[-1],
                           re.MULTILINE | re.IGNORECASE))
    assert completions("howdah migrate ") == named - {"howdah"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_parse(shell, tmp_path):
    done = howdah("completion", shell)
    assert done.returncode == 0 and "howdah" in done.stdout
    (tmp_path / "script").write_text(done.stdout)
    checked = subprocess.run([shell, "-n", str(tmp_path / "script")], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
