"""What howdah migrate does when something is in its way."""

import re
import signal
import subprocess
import threading
import time

import psycopg
import pytest

from tests.migrate.harness import Sandbox
from tools import process
from tools.pgcluster import FAST, Cluster
from tools.process import wait_until

PLAIN = "create table users (id serial primary key, email text);\n" \
        "insert into users (email) select 'u' || n from generate_series(1, 1000) n;\n"


@pytest.fixture
def plain(sandbox):
    sandbox.write("migrations/0001_users.sql", PLAIN)
    sandbox.up()
    return sandbox


def session(box: Sandbox, name: str = "holder") -> psycopg.Connection:
    return psycopg.connect(box.uri, application_name=name)


def waiting(box: Sandbox, like: str) -> bool:
    return box.sql("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and "
                   f"datname = current_database() and query ilike '{like}'") != "0"


def test_two_runners_at_once(sandbox):
    """Each migration runs once; the second waits, finds nothing to do and says so."""
    sandbox.write("migrations/0001_slow.sql", "create table once (id int); select pg_sleep(1);\n")
    sandbox.write("migrations/0002_more.sql", "insert into once values (1);\n")
    both = [sandbox.start("migrate", "up") for _ in range(2)]
    texts = [one.communicate(timeout=60) for one in both]
    assert [one.returncode for one in both] == [0, 0], texts
    assert sorted(text[0].split()[0] for text in texts) == ["0", "2"]
    assert any("waiting for advisory lock" in text[1] and "howdah migrate" in text[1]
               for text in texts)
    assert sandbox.sql("select count(*) from once") == "1"


@pytest.mark.parametrize("key", [72707369, 0x686f77646168], ids=["prisma", "howdah"])
def test_lock_held_by_another_session_is_named(sandbox, key):
    sandbox.write("prisma/migrations/20240101000000_a/migration.sql", "create table a (id int);\n")
    with session(sandbox, "other-deploy") as holder:
        holder.execute("select pg_advisory_lock(%s)", (key,))
        refused = sandbox.up("--wait", "1", status=1)
        assert f"advisory lock {key}" in refused.stderr
        assert "other-deploy" in refused.stderr and "pid " in refused.stderr
    sandbox.up()


def test_transaction_pooler_is_refused(sandbox, cluster, run_folder):
    sandbox.write("migrations/0001_a.sql", "create table a (id int);\n")
    sandbox.server.sql("alter role postgres password 'x'")
    folder = run_folder / f"pooler-{sandbox.name}"
    folder.mkdir()
    for mode, status in (("transaction", 1), ("session", 0)):
        port = process.free_port()
        (folder / "users.txt").write_text('"postgres" "x"\n')
        (folder / "bouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={sandbox.server.port} user=postgres password=x\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = trust\n"
            f"auth_file = {folder}/users.txt\npool_mode = {mode}\nunix_socket_dir =\n"
            "ignore_startup_parameters = extra_float_digits\n")
        for path in (folder, *folder.iterdir()):
            process.give_to_server_user(path)
        bouncer = process.spawn(["/usr/sbin/pgbouncer", folder / "bouncer.ini"], folder / "log")
        try:
            wait_until(lambda p=port: process.accepts(p), 10, "pgbouncer")
            done = sandbox.up(status=status,
                              uri=f"postgresql://postgres@127.0.0.1:{port}/{sandbox.name}")
            assert ("is a transaction pooler" in done.stderr) == (mode == "transaction")
        finally:
            process.stop(bouncer)


def grow_old(project, name):
    """Waits until a transaction is so old that it counts as being in the way."""
    wait_until(lambda: project.sql("select count(*) from pg_stat_activity where application_name = "
                                   f"'{name}' and now() - xact_start > interval '1.2 s'") != "0",
               20, "a transaction of some age")


def test_blocker_is_named_and_waited_for(plain):
    """A long transaction in the way is named; nobody queues behind the migration meanwhile."""
    plain.write("migrations/0002_alter.sql", "alter table users add column nick text;\n")
    with session(plain, "long-report") as holder:
        holder.execute("select count(*) from users where email <> 'secret-literal'")
        grow_old(plain, "long-report")
        running = plain.start("migrate", "up")
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(running.stderr))
        reader.start()
        wait_until(lambda: any("long-report" in line for line in seen), 20, "a named blocker")
        assert not waiting(plain, "%alter table%")
        with session(plain) as other:  # would stand behind a waiting ALTER
            other.execute("set statement_timeout = '2s'; select count(*) from users")
        holder.rollback()
    assert running.wait(timeout=30) == 0
    reader.join()
    text = "".join(seen)
    assert "idle in transaction" in text and "secret-literal" not in text


def test_lock_timeout_is_short_and_retried(plain):
    """A lock taken by a transaction too young to be seen beforehand costs one short attempt."""
    plain.write("migrations/0002_alter.sql", "select pg_sleep(0.8);\n"
                "alter table users add column nick text;\n")
    running = plain.start("migrate", "up", "--lock-timeout", "400")
    wait_until(lambda: plain.sql("select count(*) from pg_stat_activity where query like "
                                 "'select pg_sleep%' and state = 'active'") != "0", 20, "a step")
    with session(plain, "quick-writer") as holder:
        holder.execute("lock table users in access exclusive mode")
        wait_until(lambda: waiting(plain, "%alter table%"), 20, "a waiting ALTER")
        wait_until(lambda: not waiting(plain, "%alter table%"), 20, "an ALTER that gave up")
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert "55P03" in err and "attempt 2 of 10" in err
    assert "quick-writer" in err


@pytest.mark.parametrize("state, attempts", [("40P01", 3), ("55P03", 3), ("40001", 1), ("57014", 1),
                                             ("23505", 1)])
def test_a_deadlock_and_a_lock_timeout_alone_are_tried_again(plain, state, attempts):
    """A sequence counts the attempts: no rollback takes it back."""
    plain.sql("create sequence attempts; create function third_time_lucky() returns void language "
              "plpgsql as $$begin if nextval('attempts') < 3 then raise exception sqlstate "
              f"'{state}'; end if; end$$")
    plain.write("migrations/0002_retry.sql", "create table extra (id int);\n"
                "select third_time_lucky();\n")
    plain.up(status=0 if attempts == 3 else 1)
    assert plain.sql("select last_value from attempts") == str(attempts)
    assert plain.sql("select to_regclass('extra')") == ("extra" if attempts == 3 else "")


def test_each_pause_is_twice_as_long_and_no_two_runs_pause_alike(plain):
    """Three runs, one behind the other, at a lock that is never given: the pauses said, and kept."""
    plain.sql("create function never() returns void language plpgsql as $$begin raise exception "
              "sqlstate '55P03'; end$$")
    plain.write("migrations/0002_never.sql", "select never();\n")
    plain.write("howdah.toml", "[migrate]\nbackoff_ms = 200\nattempts = 4\n")
    runs = []
    for _ in range(3):
        begun = time.monotonic()
        said = plain.up(status=1).stderr
        took = time.monotonic() - begun
        pauses = [float(seconds) for seconds in re.findall(r"follows in ([0-9.]+) s", said)]
        assert len(pauses) == 3, said
        for pause, bound in zip(pauses, (0.2, 0.4, 0.8), strict=True):
            assert bound / 2 - 0.005 <= pause <= bound + 0.005
        assert took >= sum(pauses) - 0.02
        runs.append(tuple(pauses))
    assert len(set(runs)) > 1


def test_no_pause_goes_beyond_the_time_for_all_attempts(plain):
    plain.sql("create function never() returns void language plpgsql as $$begin raise exception "
              "sqlstate '55P03'; end$$")
    plain.write("migrations/0002_never.sql", "select never();\n")
    plain.write("howdah.toml", "[migrate]\nbackoff_ms = 50000\nretry_for_ms = 300\n")
    begun = time.monotonic()
    said = plain.up(status=1).stderr
    assert time.monotonic() - begun < 20
    assert said.count("attempt 2 of 10 follows in 0.") == 1 and "attempt 3" not in said, said


def test_gives_up_and_leaves_nothing(plain):
    plain.write("migrations/0002_alter.sql", "create table extra (id int);\n"
                "alter table users add column nick text;\n")
    with session(plain, "stuck") as holder:
        holder.execute("select 1 from users")
        grow_old(plain, "stuck")
        refused = plain.up("--on-block", "fail", status=1)
        assert "stuck" in refused.stderr
        ended = plain.up("--on-block", "cancel")
        assert "ending pid" in ended.stderr
        with pytest.raises(psycopg.OperationalError):
            holder.execute("select 1")
    assert plain.json("migrate", "status")["pending"] == 0


def test_leftover_of_a_cut_index_build_is_dropped(plain):
    plain.sql("insert into users (email) values ('u1')")
    plain.write("migrations/0002_index.sql", "alter table users add column nick text;\n"
                "create unique index concurrently users_email_key on users (email);\n")
    failed = plain.up(status=1)
    assert "23505" in failed.stderr and "line 2" in failed.stderr
    assert plain.sql("select count(*) from pg_index where not indisvalid") == "0"
    status = plain.json("migrate", "status")
    assert [(m["begun"], m["steps_done"], m["steps"]) for m in status["migrations"]][1] == \
        (True, 1, 2)
    assert "step 2 was begun and cut" in plain.run("migrate", "repair").stdout
    plain.sql("delete from users where id = 1")
    # An invalid index as a power cut would leave it, from this or another tool.
    plain.sql("create unique index users_email_key on users (email)")
    plain.sql("update pg_index set indisvalid = false where indexrelid = 'users_email_key'::regclass")
    done = plain.up()
    assert "dropping invalid index users_email_key" in done.stderr
    assert plain.sql("select indisvalid from pg_index where indexrelid = "
                     "'users_email_key'::regclass") == "t"


def test_edited_after_half_of_it_ran_is_refused(plain):
    plain.write("migrations/0002_b.sql", "alter table users add column nick text;\n"
                "create unique index concurrently k on users ((1));\n")
    plain.up(status=1)
    plain.write("migrations/0002_b.sql", "alter table users add column other text;\n"
                "create index concurrently k on users (id);\n")
    assert "step 1 has run and was edited since" in plain.up(status=2).stderr


def test_half_of_a_migration_is_undone_by_down(plain):
    before = plain.dump()
    plain.write("migrations/0002_b.sql", "alter table users add column nick text;\n"
                "create unique index concurrently k on users ((1));\n")
    plain.up(status=1)
    assert plain.dump() != before
    plain.run("migrate", "down")
    assert plain.dump() == before
    assert plain.json("migrate", "status")["applied"] == 1


def test_interrupt_cancels_and_a_rerun_goes_on(plain):
    plain.write("migrations/0002_slow.sql", "create table slow (id int); select pg_sleep(60);\n")
    running = plain.start("migrate", "up")
    wait_until(lambda: plain.sql("select count(*) from pg_stat_activity where query like "
                                 "'select pg_sleep(60)%' and state = 'active'") != "0", 20, "it")
    running.send_signal(signal.SIGINT)
    begun = time.monotonic()
    out, err = running.communicate(timeout=20)
    assert running.returncode == 1 and time.monotonic() - begun < 10
    assert plain.sql("select to_regclass('slow')") == ""
    plain.write("migrations/0002_slow.sql", "create table slow (id int);\n")
    plain.up()


def test_interrupt_at_any_moment(sandbox):
    """As soon as the run has its lock: between two statements there is nothing to cancel."""
    sandbox.write("migrations/1_slow.sql", "select 1;\n" * 40 + "select pg_sleep(30);\n")
    held = "select count(*) from pg_locks where locktype = 'advisory' and database = (select oid " \
           "from pg_database where datname = current_database())"
    for _ in range(8):
        running = sandbox.start("migrate", "up")
        wait_until(lambda: sandbox.sql(held) != "0", 15, "its lock")
        running.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        said = running.communicate(timeout=40)
        # 3: before anything ran
        assert running.returncode in (1, 3) and time.monotonic() - begun < 10, said


def test_drift_is_reported(plain):
    assert plain.json("migrate", "status")["findings"] == []
    plain.sql("alter table users add column by_hand text")
    finding, = plain.json("migrate", "status")["findings"]
    assert finding["rule"] == "schema-drift" and "users.by_hand text" in finding["evidence"]


def test_validation_reports_what_is_not_valid(plain):
    plain.write("migrations/0002_c.sql",
                "alter table users add constraint c check (id > 0) not valid;\n"
                "create index users_email_idx on users (email);\n")
    record = plain.json("migrate", "up")
    assert [f["rule"] for f in record["findings"]] == ["constraint-not-validated"]
    assert plain.sql("select last_analyze is not null from pg_stat_user_tables where relname = "
                     "'users'") == "t"


def test_down_refuses_to_destroy_data(plain):
    before = plain.dump()
    plain.write("migrations/0002_d.sql", "alter table users add column nick text;\n"
                "create table extra (id int);\n")
    plain.up()
    plain.sql("update users set nick = 'kept' where id = 7")
    refused = plain.run("migrate", "down", status=1)
    assert 'column "nick" of "users" holds values' in refused.stderr
    assert plain.sql("select nick from users where id = 7") == "kept"
    plain.run("migrate", "down", "--allow-data-loss")
    assert plain.dump() == before


def test_down_script_beats_the_inverse(plain):
    plain.write("migrations/0002_e.up.sql", "create view v as select 1 as a;\n")
    plain.write("migrations/0002_e.down.sql", "drop view v; create table was_down (id int);\n")
    plain.up()
    plain.run("migrate", "down")
    assert plain.sql("select to_regclass('was_down')") == "was_down"


def test_records_as_json_and_markdown(plain):
    plain.write("migrations/0002_f.sql", "insert into users (email) values ('top-secret');\n")
    record = plain.json("migrate", "up", "--record", plain.folder / "run")
    assert record["outcome"] == "done" and record["migrations"][0]["steps"][0]["seconds"] > 0
    for ending in ("json", "md"):
        text = (plain.folder / f"run.{ending}").read_text()
        assert record["plan_hash"] in text and "top-secret" not in text
    assert plain.sql("select outcome, plan_hash = '%s' from howdah.migration_run order by "
                     "started_at desc limit 1" % record["plan_hash"]) == "done|t"


def test_plan_hash_is_held_to(plain):
    plain.write("migrations/0002_g.sql", "create table g (id int);\n")
    plan = plain.json("migrate", "up", "--dry-run")
    assert plain.sql("select to_regclass('g')") == ""
    plain.write("migrations/0002_g.sql", "create table g (id bigint);\n")
    assert "the plan is" in plain.up("--plan", plan["hash"], status=1).stderr
    plan = plain.json("migrate", "up", "--dry-run")
    plain.up("--plan", plan["hash"])


@pytest.mark.parametrize("files, words", [
    ({}, "looked there and in drizzle, prisma/migrations"),
    ({"drizzle/meta/_journal.json": '{\n "entries": [\n  {"tag": "a", "when": 1},\n  {"tag": 2}\n]}'
      , "drizzle/a.sql": ""}, "_journal.json:4: entry 1 needs"),
    ({"drizzle/meta/_journal.json": '{\n "entries": [\n  oops'}, "_journal.json:3: broken JSON"),
    ({"drizzle/meta/_journal.json": '{"entries": [\n{"tag": "gone", "when": 1}]}'},
     "_journal.json:2: entry 'gone' has no file"),
    ({"prisma/migrations/migration_lock.toml": 'provider = "mysql"\n'}, "migration_lock.toml:1:"),
    ({"prisma/migrations/1_a/readme": ""}, "looked"),
    ({"migrations/1_a.sql": "select 1;\n\\d users\n"}, "1_a.sql:2: a psql meta-command"),
    ({"migrations/1_a.sql": "begin;\nselect 1;\n"}, "1_a.sql:1: a transaction that"),
    ({"migrations/1_a.sql": "begin;\nvacuum;\ncommit;\n"}, "1_a.sql:2: this cannot run inside"),
    ({"migrations/1_a.sql": "select 1;\nrollback;\n"}, "1_a.sql:2: ROLLBACK"),
    ({"migrations/1_a.sql": "copy t from stdin;\n"}, "1_a.sql:1: COPY FROM STDIN"),
    ({"migrations/sqitch.plan": "%"}, "is a sqitch folder"),
    ({"howdah.toml": "[migrate]\nlock_timeout = 3\n"}, "howdah.toml:2: [migrate] has no key"),
    ({"howdah.toml": "[deploy]\nbackup = \"floppy\"\n"}, "howdah.toml:2: [deploy] backup is one of"),
])
def test_bad_input_names_file_and_line(sandbox, files, words):
    for name, text in files.items():
        sandbox.write(name, text)
    done = sandbox.up(status=2)
    assert words in done.stderr, done.stderr
    assert sandbox.sql("select count(*) from pg_namespace where nspname = 'howdah'") == "0" or \
        "1_a.sql" in words


def test_unreachable_database_is_exit_3(sandbox):
    sandbox.write("migrations/1_a.sql", "select 1;\n")
    port = process.free_port()
    done = sandbox.up(status=3, uri=f"postgresql://nobody:hush@127.0.0.1:{port}/x")
    assert "Connection refused" in done.stderr and "hush" not in done.stderr


def test_wrong_usage_is_exit_2(sandbox):
    assert sandbox.run("migrate", "sideways", status=2).stderr
    assert sandbox.up("--on-block", "pray", status=2).stderr


def test_server_lost_half_way(run_folder, tmp_path):
    """The server dies during a step; a rerun goes on behind the last one that was done."""
    folder = run_folder / "lost"
    folder.mkdir()
    process.give_to_server_user(folder)
    with Cluster(folder, settings=FAST) as cluster:
        box = Sandbox(cluster, tmp_path, "lost")
        box.write("migrations/1_a.sql", "create table a (id int);\n"
                  "create index concurrently a_idx on a (id);\nselect pg_sleep(30);\n")
        running = box.start("migrate", "up")
        wait_until(lambda: box.sql("select count(*) from pg_stat_activity where query like 'select "
                                   "pg_sleep%' and state = 'active'") != "0", 20, "step 3")
        cluster.primary.restart(signal.SIGQUIT)
        out, err = running.communicate(timeout=30)
        assert running.returncode == 1, out + err
        box.uri = box.uri.rsplit("port=", 1)[0] + f"port={cluster.primary.port}"
        text = (box.folder / "migrations/1_a.sql").read_text().replace("pg_sleep(30)", "pg_sleep(0)")
        box.write("migrations/1_a.sql", text)
        assert "from step 3" in box.up().stderr
        assert box.sql("select count(*) from pg_index where not indisvalid") == "0"


NO_SPACE_C = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>
/* Heap and index files cannot grow while the file $NO_SPACE_FLAG is there. */
static int full(int fd) {
    char link[64], path[512];
    const char *flag = getenv("NO_SPACE_FLAG");
    if (flag == NULL || access(flag, F_OK) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return strstr(path, "/base/") != NULL;
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    if (full(fd)) { errno = ENOSPC; return -1; }
    return real(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }
ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t at) {
    static ssize_t (*real)(int, const struct iovec *, int, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwritev64");
    if (full(fd)) { errno = ENOSPC; return -1; }
    return real(fd, v, n, at);
}
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at) { return pwritev64(fd, v, n, at); }
"""


def test_disk_full(run_folder, tmp_path, monkeypatch):
    """An index build runs out of disk (the server's writes get ENOSPC, as a full disk gives): the
    run fails with 53100, no invalid index is left, and it goes on when there is room again."""
    folder = run_folder / "full"
    folder.mkdir()
    process.give_to_server_user(folder)
    source, library, flag = folder / "full.c", folder / "full.so", folder / "flag"
    source.write_text(NO_SPACE_C)
    subprocess.run(["clang-19", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    library.chmod(0o755)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("NO_SPACE_FLAG", str(flag))
    with Cluster(folder, settings=FAST) as cluster:
        monkeypatch.delenv("LD_PRELOAD")
        box = Sandbox(cluster, tmp_path, "disk_full")
        box.write("migrations/1_a.sql", "create table a (id int, t text);\n"
                  "insert into a select n, repeat('x', 200) from generate_series(1, 20000) n;\n")
        box.up()
        box.sql("checkpoint")
        box.write("migrations/2_b.sql", "create index concurrently a_t_idx on a (t, id);\n")
        box.write("migrations/3_c.sql", "create table c as select * from a;\n")
        flag.touch()
        failed = box.up(status=1)
        assert "53100" in failed.stderr and "No space left" in failed.stderr
        assert box.sql("select count(*) from pg_index where not indisvalid") == "0"
        assert box.sql("select to_regclass('c')") == ""
        flag.unlink()
        box.up()
        assert box.sql("select indisvalid from pg_index where indexrelid = 'a_t_idx'::regclass") == "t"
        flag.touch()
        box.write("migrations/4_d.sql", "create table d as select * from a;\n")
        assert "53100" in box.up(status=1).stderr  # one transaction: nothing of it is left
        flag.unlink()
        assert box.sql("select to_regclass('d')") == ""
        box.up()
        assert box.json("migrate", "status")["pending"] == 0
