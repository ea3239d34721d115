"""Progress on a terminal: how far an index build is, how far a backfill is and when it will end."""

import os
import pty
import subprocess

import psycopg

from tools import process
from tools.process import wait_until


class OnTerminal:
    """howdah with its standard error on a terminal of its own."""

    def __init__(self, box, *words):
        self.master, slave = pty.openpty()
        self.running = subprocess.Popen(box.command(*words), cwd=box.folder, stdout=slave,
                                        stderr=slave, stdin=subprocess.DEVNULL,
                                        env=process.clean_environment())
        os.close(slave)
        os.set_blocking(self.master, False)
        self.text = ""

    def says(self, words: str) -> bool:
        try:
            self.text += os.read(self.master, 65536).decode(errors="replace")
        except (BlockingIOError, OSError):
            pass
        return words in self.text

    def end(self) -> int:
        wait_until(lambda: (self.says("\0"), self.running.poll())[1] is not None, 60, "its end")
        self.says("\0")
        os.close(self.master)
        return self.running.returncode


def test_index_build(sandbox):
    sandbox.write("migrations/1_a.sql", "create table a (id int);\ninsert into a select 1;\n")
    sandbox.up()
    sandbox.write("migrations/2_b.sql", "create index concurrently a_id on a (id);\n")
    with psycopg.connect(sandbox.uri) as old:  # the build waits for those that have written before it
        old.execute("insert into a values (2)")
        shown = OnTerminal(sandbox, "migrate", "up")
        wait_until(lambda: shown.says("building the index: waiting"), 60, "the index's phase")
        old.rollback()
    assert shown.end() == 0, shown.text


def test_backfill(sandbox):
    sandbox.write("migrations/1_a.sql", "create table a (id int primary key, b int);\n"
                  "insert into a select n from generate_series(1, 4000) n;\n")
    sandbox.up()
    sandbox.sql("analyze a")
    sandbox.write("migrations/2_b.sql", "-- howdah:backfill batch=400 pause_ms=100\n"
                  "update a set b = 1;\n")
    shown = OnTerminal(sandbox, "migrate", "up")
    wait_until(lambda: shown.says(" %), about ") and shown.says(" to go"), 60, "time to go")
    assert shown.end() == 0, shown.text
    assert "4000 rows in 10 batches" in shown.text
