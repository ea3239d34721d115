"""Every subcommand with every exit status: 0 fine, 1 findings or refused, 2 wrong usage or input,
3 could not run."""

import shlex
import signal
import socket
import subprocess

import pytest

from tests.conftest import PASSWORD, USER
from tools import process, proxy

SECONDS_MAX = 120
NOBODY = "host=/nonexistent dbname=x"
PROJECT = {
    "clean/0001_a.sql": "CREATE TABLE t (id bigint PRIMARY KEY, b int);\n",
    "risky/0001_a.sql": "CREATE TABLE t (id bigint PRIMARY KEY, b int);\n",
    "risky/0002_b.sql": "CREATE INDEX t_b ON t (b);\n",
    "wrong/0001_a.sql": "CREATE TABLE wrong (id bigint PRIMARY KEY);\nSELECT 1 / 0;\n",
    "drop/0001_a.sql": "DROP TABLE IF EXISTS nothing_here;\n",
    "clean.sql": "SELECT b FROM t WHERE id = 1;\n",
    "risky.sql": "DELETE FROM t;\n",
    "good.toml": "[databases.shop]\nhost = 'x'\n",
    "bad.toml": "[proxy]\nlisten_prot = 1\n",
}
NEEDS_HOWDAH = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                  reason="PgBouncer has no subcommands")
pytestmark = NEEDS_HOWDAH


class Project:
    """The files above, and howdah run beside them."""

    def __init__(self, folder):
        self.folder = folder
        for name, text in PROJECT.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)

    def run(self, *words, **more):
        return subprocess.run([str(proxy.program()), *map(str, words)], cwd=self.folder, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS_MAX,
                              env=process.clean_environment(), **more)

    def check(self, status, *words):
        done = self.run(*words)
        assert done.returncode == status, f"{words}: {done.stdout}{done.stderr}"
        if status >= 2:
            assert done.stderr.strip(), f"{words}: no word of what is wrong"
        return done


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture(scope="module")
def closed(cluster, new_database):
    """A database that lets the user in and answers his catalogue queries with an error."""
    name = new_database("closed")
    for table in ("pg_class", "pg_index"):
        cluster.primary.sql(f"revoke select on pg_catalog.{table} from public", name)
    return cluster.primary.uri(USER, PASSWORD, name)


@pytest.mark.parametrize("status, words", [
    (0, "lint clean"),
    (0, "lint risky --fail-on never"),
    (1, "lint risky"),
    (2, "lint --no-such-option"),
    (2, "lint nowhere"),
    (2, "lint risky --format xml"),
    (2, "lint risky --fail-on often"),
    (2, "lint risky --disable no-such-rule"),
    (2, "lint risky --baseline none.txt"),
    (2, "lint risky --config none.toml"),
    (2, "lint --explain no-such-rule"),
    (2, "lint risky --database postgresql://h/x?what=1"),
    (3, f"lint risky --database '{NOBODY}'"),
    (3, "lint risky --write-baseline /nonexistent/baseline"),
    (0, "optimize-migrations clean"),
    (1, "optimize-migrations risky"),
    (2, "optimize-migrations nowhere"),
    (3, f"optimize-migrations risky --database '{NOBODY}'"),
    (0, "analyze clean.sql"),
    (1, "analyze risky.sql"),
    (2, "analyze --no-such-option"),
    (2, "analyze none.sql"),
    (2, "analyze clean.sql --format xml"),
    (2, "analyze clean.sql --fail-on often"),
    (2, "analyze clean.sql --disable no-such-rule"),
    (2, "analyze clean.sql --baseline none.txt"),
    (2, "analyze clean.sql --schema none.sql"),
    (2, "analyze --explain no-such-rule"),
    (2, "analyze --watch -"),
    (2, "analyze clean.sql --database postgresql://h/x?what=1"),
    (3, f"analyze clean.sql --database '{NOBODY}'"),
    (3, "analyze clean.sql --write-baseline /nonexistent/baseline"),
    (2, "migrate"),
    (2, "migrate status nowhere"),
    (2, "migrate up clean --to no-such-migration --database postgresql://h/x?what=1"),
    (3, f"migrate status clean --database '{NOBODY}'"),
    (3, f"migrate up clean --database '{NOBODY}'"),
    (2, "deploy nowhere"),
    (2, "deploy --format xml"),
    (2, "deploy clean --database postgresql://h/x?what=1"),
    (3, f"deploy clean --database '{NOBODY}'"),
    (0, "config check good.toml"),
    (1, "config check bad.toml"),
    (2, "config check none.toml"),
    (2, "config check"),
    (0, "config show good.toml"),
    (2, "config show bad.toml"),
    (0, "config reference"),
    (2, "serve none.toml"),
    (2, "serve bad.toml"),
    (2, "serve --no-such-option"),
    (2, "no-such-command"),
    (2, "none.ini"),
], ids=lambda value: str(value))
def test_status(project, status, words):
    done = project.run(*shlex.split(words))
    assert done.returncode == status, done.stdout + done.stderr
    if status >= 2:
        assert done.stderr.strip(), "no word of what is wrong"


@pytest.mark.parametrize("words", ["lint risky", "analyze clean.sql", "migrate status clean"])
def test_an_error_of_the_database_is_could_not_run(project, closed, words):
    done = project.check(3, *words.split(), "--database", closed)
    assert "permission denied" in done.stderr and "(42501)" in done.stderr


def test_migrate_says_what_ran(sandbox):
    project = Project(sandbox.folder)
    database = ("--database", sandbox.uri)
    project.check(0, "migrate", "up", "clean", *database)
    project.check(0, "migrate", "status", "clean", *database)
    project.check(2, "migrate", "up", "clean", "--to", "no-such-migration", *database)


def test_migrate_that_fails(sandbox):
    Project(sandbox.folder).check(1, "migrate", "up", "wrong", "--database", sandbox.uri)


def test_deploy_says_what_ran(sandbox):
    project = Project(sandbox.folder)
    database = ("--database", sandbox.uri)
    project.check(0, "deploy", "clean", *database)
    sandbox.write("clean/0002_drop.sql", "DROP TABLE t;\n")
    project.check(1, "deploy", "clean", *database)


def test_serve_that_cannot_listen_could_not_run(project):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = project.check(3, "serve", "--upstream", "postgres://app@127.0.0.1:1/shop",
                             "--set", f"listen_port={port}", "--set", "unix_socket_dir=",
                             "--set", "http_listen=")
    assert f"127.0.0.1:{port}" in done.stderr


def test_serve_that_is_interrupted_is_fine(project):
    port = process.free_port()
    running = subprocess.Popen(
        [proxy.program(), "serve", "--upstream", "postgres://app@127.0.0.1:1/shop", "--set",
         f"listen_port={port}", "--set", "unix_socket_dir=", "--set", "http_listen="],
        cwd=project.folder, stderr=subprocess.PIPE, text=True, env=process.clean_environment())
    try:
        process.wait_until(lambda: process.accepts(port), 20, "listening howdah")
        running.send_signal(signal.SIGINT)
        _, text = running.communicate(timeout=20)
    finally:
        running.kill()
    assert running.returncode == 0, text
