"""Every command that the documentation shows runs, one way or another.

```sh run   a block that is executed as it stands, by bash that stops at the first failure, in the
            folder of its document, with `howdah` on the PATH and PG* variables for a server of ours.
```sh       each line by itself: `howdah serve` must listen, and end well when it is interrupted; any
            other howdah command must do what it says; of ./dev the command must be there, because
            what it does is tested elsewhere. Names of servers and files are replaced by ours.
"""

import os
import re
import shlex
import signal
import subprocess

import psycopg
import pytest

from tests.conftest import PASSWORD, USER
from tools import build, dev, process, proxy, tidy
from tools.shell import ROOT

BLOCK = re.compile(r"^```sh( run)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SECONDS_MAX = 120
# Pages whose lines need a place of their own to run in.
ELSEWHERE = {"docs/lint.md": "tests/lint/test_lint.py", "docs/migrate.md": "tests/migrate/test_docs.py",
             "docs/deploy.md": "tests/migrate/test_docs.py",
             "docs/operations.md": "tests/deploy/test_package.py"}
NEEDS_HOWDAH = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                  reason="PgBouncer has no subcommands")


def blocks(executed: bool):
    """("page:line", text) of the blocks that are executed whole, or of the others."""
    for path in tidy.tracked():
        if path.endswith(".md"):
            text = (ROOT / path).read_text()
            for match in BLOCK.finditer(text):
                if bool(match.group(1)) == executed:
                    yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}", match.group(2)


def lines():
    for place, text in blocks(executed=False):
        if place.rsplit(":", 1)[0] not in ELSEWHERE:
            for line in text.splitlines():
                words = shlex.split(line, comments=True)
                if words:
                    yield place, words


BLOCKS = list(blocks(executed=True))
LINES = list(lines())


@pytest.mark.parametrize("commands", [b for _, b in BLOCKS], ids=[name for name, _ in BLOCKS])
def test_block_runs(request, cluster, commands):
    path = request.node.callspec.id.rsplit(":", 1)[0]
    cluster.primary.sql(f"alter role {USER} createdb")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=(ROOT / path).parent, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS_MAX,
        env={**process.clean_environment(), "PGHOST": "127.0.0.1",
             "PGPORT": str(cluster.primary.port), "PGUSER": USER, "PGPASSWORD": PASSWORD,
             "PATH": f"{proxy.program().parent}:/usr/bin:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def place(cluster, new_database, tmp_path_factory):
    """A folder in which the commands find what they name, and the words that they name it by."""
    folder = tmp_path_factory.mktemp("docs")
    database = new_database("documented")
    server = f"host=127.0.0.1 port={cluster.primary.port}"
    (folder / "userlist.txt").write_text(proxy.secret(USER, PASSWORD))
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = {server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {folder}/userlist.txt\n")
    (folder / "howdah.toml").write_text(
        f"[proxy]\nauth_file = '{folder}/userlist.txt'\n[databases.'*']\nhost = '127.0.0.1'\n"
        f"port = {cluster.primary.port}\n")
    uri = cluster.primary.uri(USER, PASSWORD, database)
    return folder, database, {
        "postgres://app:secret@db.example.com:5432/shop": uri,
        "postgres://app:secret@db.example.com/shop": uri,
        "/etc/pgbouncer/pgbouncer.ini": "pgbouncer.ini",
        "build/release/howdah": "howdah"}, server


def run(folder, words, server, **more):
    host, port = (word.split("=")[1] for word in server.split())
    return subprocess.Popen(
        [str(proxy.program()), *words[1:]], cwd=folder, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**process.clean_environment(), "PGHOST": host, "PGPORT": port, "PGUSER": USER,
             "PGPASSWORD": PASSWORD, **more})


def check_serve(folder, database, words, server):
    """Comes up, lets the application in with its own password, and ends when it is told to."""
    port = process.free_port()
    running = run(folder, words, server, HOWDAH_LISTEN_PORT=str(port), HOWDAH_HTTP_LISTEN="",
                  HOWDAH_UNIX_SOCKET_DIR="")
    try:
        process.wait_until(lambda: running.poll() is not None or process.accepts(port), 20,
                           "listening howdah")
        assert running.poll() is None, running.communicate()[0]
        with psycopg.connect(host="127.0.0.1", port=port, user=USER, password=PASSWORD,
                             dbname=database) as connection:
            assert connection.execute("select count(*) from organizations").fetchone()[0] == 2000
        running.send_signal(signal.SIGINT)
        text, _ = running.communicate(timeout=20)
    finally:
        running.kill()
    assert running.returncode == 0, text


def check_dev(words):
    assert words[1] in (*dev.COMMANDS, "help")
    if words[1] == "build":
        for preset in words[2].split("|") if len(words) > 2 else ():
            assert preset in build.PRESETS
    if words[1] == "fuzz" and len(words) > 2:
        assert (ROOT / "fuzz" / f"{words[2]}_fuzz.cpp").exists()


@NEEDS_HOWDAH
@pytest.mark.parametrize("words", [w for _, w in LINES],
                         ids=[f"{name} {shlex.join(w)}" for name, w in LINES])
def test_line_runs(place, words):
    folder, database, ours, server = place
    words = [ours.get(word, word) for word in words]
    while re.match(r"[A-Z_]+=", words[0]):  # of the environment
        words = words[1:]
    if words[0] == "./dev":
        check_dev(words)
    elif words[0] == "/usr/bin/python3":
        subprocess.run([*words[:3], "--help"], cwd=ROOT, check=True, capture_output=True)
    elif words[:2] == ["howdah", "serve"]:
        check_serve(folder, database, words, server)
    else:
        assert words[0] == "howdah", "nobody runs this line"
        running = run(folder, words, server)
        text, _ = running.communicate(timeout=SECONDS_MAX)
        assert running.returncode == 0, text


def test_there_are_blocks_to_run():
    assert any(name.startswith("examples/pantrycrm/README.md") for name, _ in BLOCKS)
    pages = {name.rsplit(":", 1)[0] for name, _ in LINES}
    assert {"README.md", "CONTRIBUTING.md", "docs/configuration.md"} <= pages
    for page, test in ELSEWHERE.items():
        assert (ROOT / page).exists() and page in (ROOT / test).read_text().replace('" / "', "/")
