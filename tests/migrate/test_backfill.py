"""Backfills: batches by key, resumable, throttled by replica lag and dead rows."""

import signal

import pytest

from tests.migrate.harness import Sandbox
from tools import process
from tools.pgcluster import FAST, Cluster
from tools.process import wait_until

ROWS = 1000
FILL = "-- howdah:backfill batch={batch} pause_ms={pause}\n" \
       "update users set nick = coalesce(nick, '') || 'x' where email <> 'skip'; -- all others\n"


@pytest.fixture
def filled(sandbox):
    sandbox.write("migrations/1_a.sql",
                  "create table users (id int primary key, email text, nick text);\n"
                  f"insert into users select n * 7, 'e' || n from generate_series(1, {ROWS}) n;\n")
    sandbox.up()
    return sandbox


def test_batches_by_key(filled):
    filled.write("migrations/2_fill.sql", FILL.format(batch=300, pause=0))
    done = filled.up()
    assert f"{ROWS} rows in 4 batches" in done.stderr
    assert filled.sql("select count(*), min(nick), max(nick) from users") == f"{ROWS}|x|x"
    assert filled.sql("select string_agg(c::text, ' ' order by m) from (select count(*) c, min(id) m "
                      "from users group by xmin::text) b") == "300 300 300 100"
    assert filled.sql("select count(*) from howdah.backfill") == "0"


def test_killed_and_resumed(filled):
    filled.write("migrations/2_fill.sql", FILL.format(batch=50, pause=30))
    running = filled.start("migrate", "up")
    wait_until(lambda: int(filled.sql("select coalesce(max(batches), 0) from howdah.backfill")) > 3,
               30, "some batches")
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=30)
    done = int(filled.sql("select count(*) from users where nick = 'x'"))
    assert 0 < done < ROWS and done % 50 == 0
    again = filled.up()
    assert "going on behind" in again.stderr
    assert filled.sql("select count(*), min(nick), max(nick) from users") == f"{ROWS}|x|x"


def test_key_of_two_columns(filled):
    filled.write("migrations/2_t.sql", "create table pairs (a int, b text, done boolean, "
                 "primary key (b, a));\ninsert into pairs select n % 5, 'k' || n / 5, false from "
                 "generate_series(1, 200) n;\n")
    filled.write("migrations/3_fill.sql", "-- howdah:backfill batch=30\nupdate pairs set done = "
                 "true;\n")
    assert "200 rows in 7 batches" in filled.up().stderr
    assert filled.sql("select bool_and(done) from pairs") == "t"


@pytest.mark.parametrize("statement, words", [
    ("update users u set nick = o.email from users o where o.id = u.id", "without FROM"),
    ("delete from users using users o where o.id = users.id", "without FROM"),
    ("update nokey set a = 1", "no primary key"),
])
def test_what_cannot_be_cut_is_refused(filled, statement, words):
    filled.write("migrations/2_t.sql", "create table nokey (a int);\n")
    filled.write("migrations/3_fill.sql", f"-- howdah:backfill\n{statement};\n")
    assert words in filled.up(status=1).stderr


def test_dead_rows_are_vacuumed_away(sandbox):
    sandbox.sql("create table big (id int primary key, n int); alter table big set "
                "(autovacuum_enabled = off); insert into big select n, 0 from "
                "generate_series(1, 120000) n")
    sandbox.sql("vacuum analyze big")
    sandbox.write("migrations/1_fill.sql",
                  "-- howdah:backfill batch=20000 pause_ms=700\nupdate big set n = n + 1;\n")
    done = sandbox.up()
    assert "VACUUM" in done.stderr
    assert sandbox.sql("select count(*) from big where n = 1") == "120000"
    assert sandbox.sql("select vacuum_count > 1 from pg_stat_user_tables where relname = 'big'") == "t"


def test_waits_for_a_replica(run_folder, tmp_path):
    folder = run_folder / "lag"
    folder.mkdir()
    process.give_to_server_user(folder)
    with Cluster(folder, replicas=1, settings=FAST) as cluster:
        box = Sandbox(cluster, tmp_path, "lag")
        box.sql("create table wide (id int primary key, n int, t text); insert into wide select n, "
                "0, repeat(md5(n::text), 60) from generate_series(1, 60000) n")
        cluster.wait_replayed()
        cluster.replicas[0].sql("select pg_wal_replay_pause()")
        box.write("migrations/1_fill.sql",
                  "-- howdah:backfill batch=20000 pause_ms=1100\n"
                  "update wide set n = 1, t = t || 'x';\n")
        box.write("howdah.toml", "[migrate]\nbackfill_lag_s = 0.5\n")
        running = box.start("migrate", "up")
        line = running.stderr.readline()
        while "behind" not in line and line:
            line = running.stderr.readline()
        assert "a replica is" in line
        assert box.sql("select count(*) from wide where n = 1") != "60000"
        cluster.replicas[0].sql("select pg_wal_replay_resume()")
        out, err = running.communicate(timeout=60)
        assert running.returncode == 0, err
        assert box.sql("select count(*) from wide where n = 1") == "60000"


def test_key_of_fixed_length(filled):
    """A key's values are compared as its type has them, length and all."""
    filled.write("migrations/2_t.sql", "create table codes (code char(3) primary key, n int);\n"
                 "insert into codes select 'a' || chr(97 + n / 26) || chr(97 + n % 26), 0 from "
                 "generate_series(0, 99) n;\n")
    filled.write("migrations/3_fill.sql", "-- howdah:backfill batch=30 pause_ms=0\n"
                 "update codes set n = n + 1;\n")
    assert "100 rows in 4 batches" in filled.up().stderr
    assert filled.sql("select min(n), max(n) from codes") == "1|1"


def test_a_key_with_nulls_is_refused(filled):
    filled.write("migrations/2_t.sql", "create table loose (k int unique, n int);\n"
                 "insert into loose values (1, 0), (2, 0), (null, 0);\n")
    filled.write("migrations/3_fill.sql", "-- howdah:backfill key=k\nupdate loose set n = 1;\n")
    assert "NULL: no batch would hold them" in filled.up(status=1).stderr
    assert filled.sql("select count(*) from loose where n = 1") == "0"
    filled.sql("delete from loose where k is null")
    filled.up()
    assert filled.sql("select min(n) from loose") == "1"
