"""./dev up: comes up, works, and leaves nothing running however it ends."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest

from tools import demo, process
from tools.shell import ROOT

UP_SECONDS_MAX = 120
GONE_SECONDS_MAX = 20


DATA = str(ROOT / "build" / "demo-test")


def left(mark: str) -> list[int]:
    """Processes started, however indirectly, with our mark in their environment, and PostgreSQL's
    (which overwrites its environment with its title) by the data folder it works in."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if (f"HOWDAH_TEST_MARK={mark}".encode() in (folder / "environ").read_bytes()
                        or os.readlink(folder / "cwd").startswith(os.path.realpath(DATA))):
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


class Up:
    """A running ./dev up of its own, in its own session as a terminal would have it."""

    def __init__(self, mark: str, *arguments: str):
        self.mark = mark
        self.child = subprocess.Popen(
            ["./dev", "up", "--scale", "1", "--replicas", "1", *arguments], cwd=ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "HOWDAH_TEST_MARK": mark, "HOWDAH_DEMO": "demo-test"})
        self.text = ""
        for line in self.child.stdout:
            self.text += line
            if "Ctrl-C stops all of it" in line:
                return
        raise AssertionError(f"./dev up ended early: {self.text}")

    def uri(self) -> str:
        return next(line.split()[1] for line in self.text.splitlines() if "application" in line)

    def pages(self) -> dict[str, str]:
        """What is printed as an address of HTTP, the whole rest of the line."""
        rows = (line.strip().split(maxsplit=1) for line in self.text.splitlines() if "http:" in line)
        return dict(rows)

    def end(self, number: int) -> None:
        os.kill(self.child.pid, number)
        self.child.communicate(timeout=GONE_SECONDS_MAX)
        process.wait_until(lambda: not left(self.mark), GONE_SECONDS_MAX,
                           f"end of {left(self.mark)}")


@pytest.fixture(scope="module")
def first_up():
    up = Up("first", "--fresh")
    yield up
    if up.child.poll() is None:
        up.end(signal.SIGINT)


def test_application_sees_its_data_and_the_replica_has_it(first_up):
    with psycopg.connect(first_up.uri()) as connection:
        assert connection.execute("select count(*) from organizations").fetchone()[0] == 2000
        owner = connection.execute("select distinct tableowner from pg_tables "
                                   "where schemaname = 'public'").fetchall()
        assert owner == [(demo.USER,)]
        names = connection.execute("select extname from pg_extension order by 1").fetchall()
        assert {("hypopg",), ("pg_stat_statements",)} <= set(names)
    replica = next(line.split()[1] for line in first_up.text.splitlines() if "replica1" in line)
    with psycopg.connect(replica) as connection:
        assert connection.execute("select pg_is_in_recovery()").fetchone()[0]


def test_load_arrives_with_its_tags(first_up):
    def seen():
        with psycopg.connect(first_up.uri()) as connection:
            return connection.execute(
                "select count(*) from pg_stat_statements where query like "
                "'%/*action=''show''%route=''\\%2Forganizations\\%2F\\%3Aid''%'").fetchone()[0]
    process.wait_until(seen, 30, "statement of the load", step=0.2)


def test_printed_pages_answer_as_they_stand_there(first_up):
    pages = first_up.pages()
    assert set(pages) == {"metrics", "findings", "queries"}
    plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for name, address in pages.items():
        for url in (address, address + "/"):
            with plain.open(url, timeout=15) as answer:
                body = answer.read().decode()
            assert name in json.loads(body) if "/api/" in url else "howdah_build_info" in body


def test_second_demo_in_the_folder_is_refused(first_up):
    done = subprocess.run(["./dev", "up"], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "HOWDAH_DEMO": "demo-test"})
    assert done.returncode == 1
    assert "already up" in done.stderr


def test_ctrl_c_leaves_nothing_and_the_next_up_takes_seconds(first_up):
    assert len(left("first")) > 10
    first_up.end(signal.SIGINT)
    assert first_up.child.returncode == 0
    started = time.monotonic()
    again = Up("second")
    assert "already loaded" in again.text
    assert again.pages() == first_up.pages()
    assert time.monotonic() - started < 15
    again.end(signal.SIGTERM)


def test_killed_demo_takes_its_servers_along_and_comes_up_again():
    killed = Up("killed")
    assert len(left("killed")) > 10
    killed.end(signal.SIGKILL)
    state = json.loads((ROOT / "build" / "demo-test.json").read_text())
    assert process.is_free(state["port"])
    again = Up("again")
    again.end(signal.SIGINT)
    assert again.child.returncode == 0
