"""--database: what only the database knows: size, traffic, long transactions, disk, rows that break
what the migration demands, and uses of what it takes away."""

import json
import subprocess
import threading

import psycopg
import pytest

from tests.migrate.harness import held_to_schema
from tools import process
from tools.process import wait_until


def lint(box, *words, uri=""):
    done = subprocess.run(box.command("lint", *words, "--format", "json", uri=uri), cwd=box.folder,
                          capture_output=True, text=True, timeout=120,
                          env=process.clean_environment())
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return held_to_schema(json.loads(done.stdout))["findings"]


def about(findings, rule):
    return [finding for finding in findings if finding["rule"] == rule]


@pytest.fixture
def shop(sandbox):
    """Two tables with rows, made by a migration that has run."""
    sandbox.write("migrations/0001_a.sql",
                  "CREATE TABLE p (x int, y int, PRIMARY KEY (x, y));\n"
                  "CREATE TABLE t (id bigint PRIMARY KEY, a int, b int, s text, n numeric(10,2));\n"
                  "CREATE INDEX t_a ON t (a);\n"
                  "ALTER TABLE t ADD CONSTRAINT small CHECK (a < 100000) NOT VALID;\n")
    sandbox.up()
    sandbox.sql("insert into p values (1, 1), (2, 2); insert into t select n, n % 7, nullif(n, 500), "
                "'v' || n, n from generate_series(1, 60000) n")
    sandbox.sql("analyze")
    return sandbox


@pytest.mark.parametrize("statement, words", [
    ("ALTER TABLE t ALTER b SET NOT NULL;", "1 rows of t without b"),
    ("ALTER TABLE t ADD CONSTRAINT u UNIQUE (a);", "7 groups of duplicates of (a) in t"),
    ("CREATE UNIQUE INDEX CONCURRENTLY u ON t (a) WHERE id < 20;", "7 groups of duplicates of (a)"),
    ("CREATE UNIQUE INDEX CONCURRENTLY u ON t (a) WHERE id < 5;", None),
    ("CREATE UNIQUE INDEX CONCURRENTLY u ON t (b);", None),
    ("ALTER TABLE t ADD FOREIGN KEY (a, b) REFERENCES p NOT VALID;",
     "at least 1000 rows of t that point to no row of p"),
    ("ALTER TABLE t ADD FOREIGN KEY (a, b) REFERENCES p (x, y);", "rows of t that point to no row"),
    ("ALTER TABLE t ADD CHECK (id > 10);", "10 rows of t that break CHECK (id > 10)"),
    ("ALTER TABLE t ADD CHECK (id > 0);", None),
    ("ALTER TABLE t VALIDATE CONSTRAINT small;", None),
    ("ALTER TABLE t ALTER s TYPE int USING s::int;", "some values of t.s that are no int"),
    ("ALTER TABLE t ALTER s TYPE varchar(3);", "values of t.s longer than 3"),
    ("ALTER TABLE t ALTER s TYPE varchar(30);", None),
    ("ALTER TABLE t ALTER n TYPE numeric(5,2);", "some values of t.n that are no numeric(5,2)"),
    ("ALTER TABLE t ALTER n TYPE numeric(12,2);", None),
    ("ALTER TABLE t ADD COLUMN c int NOT NULL;", "rows of t in which c would be NULL"),
    ("ALTER TABLE t ADD COLUMN c int; ALTER TABLE t ALTER c SET NOT NULL;", None),
])
def test_rows_that_break_it(shop, statement, words):
    shop.write("migrations/0002_b.sql", statement + "\n")
    broken = [f["message"] for f in about(lint(shop), "data-breaks-constraint")]
    assert broken == [] if words is None else any(words in message for message in broken), broken


def test_values_are_in_no_report(shop):
    shop.sql("update t set s = 'secret-value' where id = 1")
    shop.write("migrations/0002_b.sql", "ALTER TABLE t ALTER s TYPE int USING s::int;\n")
    finding, = about(lint(shop), "data-breaks-constraint")
    assert "22P02" in finding["evidence"] and "secret" not in json.dumps(finding)


def test_a_statement_before_may_mend_it(shop):
    shop.write("migrations/0002_b.sql", "UPDATE t SET b = 0 WHERE b IS NULL;\n"
                                        "ALTER TABLE t ALTER b SET NOT NULL;\n")
    finding, = about(lint(shop), "data-breaks-constraint")
    assert finding["severity"] == "info" and "may change that" in finding["message"]


def test_what_could_not_be_looked_at_is_said(shop):
    shop.sql("create role nosy login; grant usage on schema public to nosy")
    shop.write("migrations/0002_b.sql", "ALTER TABLE t ALTER b SET NOT NULL;\n")
    findings = lint(shop, uri=shop.uri.replace("postgresql://postgres@", "postgresql://nosy@"))
    shop.sql("drop owned by nosy; drop role nosy")
    finding, = about(findings, "data-breaks-constraint")
    assert "could not look for rows of t without b" in finding["message"]
    assert finding["severity"] == "info"


def test_blocks_so_many_queries_for_so_long(shop):
    """The sentence: queries a second from pg_stat_statements, seconds from the size, and who holds a
    lock already."""
    shop.sql("create extension pg_stat_statements; select pg_stat_statements_reset()")
    shop.write("migrations/0002_b.sql", "ALTER TABLE t ALTER id TYPE numeric;\n"
                                        "CREATE INDEX t_s ON t (s);\n")
    stop = threading.Event()

    def load():
        with psycopg.connect(shop.uri, autocommit=True) as connection:
            while not stop.is_set():
                connection.execute("select a from t where id = 17")
                connection.execute("update t set a = a where id = 18")

    with psycopg.connect(shop.uri, application_name="report") as old:
        old.execute("select count(*) from t")
        busy = threading.Thread(target=load)
        busy.start()
        try:
            wait_until(lambda: shop.sql(
                "select count(*) from pg_stat_activity where application_name = 'report' and now() - "
                "xact_start > interval '1.5 s'") == "1", 30, "an old transaction")
            findings = lint(shop)
        finally:
            stop.set()
            busy.join()
    rewrite = about(findings, "change-column-type-rewrites")[0]
    build = about(findings, "create-index-blocks-writes")[0]
    for finding in (rewrite, build):
        assert " queries a second for 0." in finding["impact"], finding
        assert "waits for a transaction that is " in finding["impact"]
        assert "reading queries/s" in finding["evidence"]
        assert "of disk are free" in finding["evidence"]
    rate = [float(f["impact"].split("blocks about ")[1].split()[0]) for f in (rewrite, build)]
    assert rate[0] > rate[1] > 0, "a rewrite stops reads too"


def test_uses_of_what_is_dropped(shop):
    shop.sql("create extension pg_stat_statements")
    shop.sql("select a from t where b = 5; select n from t where id = 1; "
             "set enable_seqscan = off; select count(*) from t where a = 3")
    wait_until(lambda: shop.sql("select idx_scan from pg_stat_user_indexes where indexrelname "
                                        "= 't_a'") not in ("", "0"), 30, "statistics")
    shop.write("migrations/0002_b.sql", "ALTER TABLE t DROP COLUMN b;\nALTER TABLE t DROP COLUMN s;\n"
                                        "DROP INDEX CONCURRENTLY t_a;\n")
    findings = lint(shop)
    read, = about(findings, "dropped-column-still-read")
    assert "t.b" in read["message"] and "select a from t where b = $1" in read["evidence"]
    scanned, = about(findings, "dropped-index-still-scanned")
    assert "t_a was scanned" in scanned["message"]


@pytest.mark.parametrize("names", [("0001_x.sql", "0002_y.sql"), ("V1__x.sql", "V2__y.sql"),
                                   ("000001_x.up.sql", "000002_y.up.sql")])
def test_history_of_every_tool(sandbox, names):
    """What has run is not judged again; an edited file is reported."""
    for number, name in enumerate(names):
        sandbox.write(f"migrations/{name}", f"CREATE TABLE x{number} (id int);\n")
    assert len(about(lint(sandbox), "no-primary-key")) == 2
    sandbox.up()
    assert about(lint(sandbox), "no-primary-key") == []
    sandbox.write(f"migrations/{names[1]}", "CREATE TABLE x1 (id int, more int);\n")
    edited = about(lint(sandbox), "history-edited-file")
    assert len(edited) == (0 if ".up." in names[1] else 1)  # golang-migrate keeps no hashes


SMALL_DISK_C = """
#define _GNU_SOURCE
#include <string.h>
#include <sys/statvfs.h>
static int small(struct statvfs *v) {
    memset(v, 0, sizeof *v);
    v->f_frsize = 4096;
    v->f_bavail = 512;
    return 0;
}
int statvfs(const char *path, struct statvfs *v) { (void)path; return small(v); }
int statvfs64(const char *path, struct statvfs64 *v) { (void)path; return small((struct statvfs *)v); }
"""


def test_disk_that_is_not_enough(shop, tmp_path, monkeypatch):
    """2 MB are free (a library says so in place of the system): a rewrite of 4 MB does not fit."""
    source, library = tmp_path / "small.c", tmp_path / "small.so"
    source.write_text(SMALL_DISK_C)
    subprocess.run(["clang-19", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    shop.write("migrations/0002_b.sql", "ALTER TABLE t ALTER id TYPE numeric;\n")
    assert about(lint(shop), "rewrite-needs-disk") == []
    monkeypatch.setenv("LD_PRELOAD", str(library))
    finding, = about(lint(shop), "rewrite-needs-disk")
    assert "2.0 MB are free" in finding["message"] and finding["severity"] == "error"


def test_through_howdah(shop, start_howdah):
    """The same through howdah's own port, in transaction mode."""
    shop.write("migrations/0002_b.sql", "ALTER TABLE t ALTER b SET NOT NULL;\n")
    pooler = start_howdah(f"lint-{shop.name}", pool_mode="transaction")
    shop.sql("grant all on t, p to public")
    findings = lint(shop, uri=pooler.uri(shop.name))
    assert [f["message"] for f in about(findings, "data-breaks-constraint")] == [
        "1 rows of t without b"]


def busy_shop(box, start_howdah, name: str, **settings):
    """howdah in front of the shop, and an application that reads column b all the time."""
    pooler = start_howdah(f"{name}-{box.name}", pool_mode="transaction", **settings)
    box.sql("grant all on t, p to public")
    with psycopg.connect(pooler.uri(box.name), autocommit=True, application_name="shop-web") as one:
        for number in range(40):
            one.execute("select a from t where b = %s", (number,))
    with psycopg.connect(pooler.uri("howdah"), autocommit=True) as console:
        wait_until(lambda: any("where b =" in str(row) and "shop-web" in str(row)
                               for row in console.execute("show queries").fetchall()), 20,
                   "the application's statement among what howdah has seen")
    box.write("migrations/0002_b.sql", "ALTER TABLE t DROP COLUMN b;\nALTER TABLE t DROP COLUMN s;\n"
              "ALTER TABLE t ALTER id TYPE numeric;\n")
    return pooler


def lint_stats(box, *words, status=(0, 1)):
    command = box.command("lint", *words)[:-2]  # without --database
    done = subprocess.run(command, cwd=box.folder, capture_output=True, text=True, timeout=120,
                          env=process.clean_environment())
    assert done.returncode in status, done.stdout + done.stderr
    return done


def test_what_a_running_howdah_has_seen(shop, start_howdah):
    """--stats alone: no database is asked, and what live queries read is known all the same."""
    port = process.free_port()
    pooler = busy_shop(shop, start_howdah, "stats", http_listen=f"127.0.0.1:{port}")
    stop = threading.Event()

    def load():
        with psycopg.connect(pooler.uri(shop.name), autocommit=True) as one:
            while not stop.is_set():
                one.execute("select a from t where id = 17")

    busy = threading.Thread(target=load)
    busy.start()
    try:
        done = lint_stats(shop, "--stats", f"http://127.0.0.1:{port}", "--format", "json")
    finally:
        stop.set()
        busy.join()
    findings = held_to_schema(json.loads(done.stdout))["findings"]
    read, = about(findings, "dropped-column-still-read")
    assert read["message"].startswith("queries that name t.b ran 4") and read["line"] == 1
    assert "howdah, the most frequent (by shop-web, last 2" in read["evidence"]
    assert "select a from t where b = $1" in read["evidence"]
    rewrite, = about(findings, "change-column-type-rewrites")
    assert " queries a second all the while" in rewrite["impact"]
    assert "t: " in rewrite["evidence"] and "reading queries/s" in rewrite["evidence"]


def test_stats_that_cannot_be_had(shop, start_howdah, run_folder):
    nobody = lint_stats(shop, "--stats", f"http://127.0.0.1:{process.free_port()}", status=(3,))
    assert "127.0.0.1" in nobody.stderr and "0 findings" in nobody.stdout, "what the files say"
    token, port = run_folder / f"token-{shop.name}.txt", process.free_port()
    token.write_text("x" * 20 + "\n")
    process.give_to_server_user(token)
    start_howdah(f"token-{shop.name}", http_listen=f"127.0.0.1:{port}", http_token_file=str(token))
    wait_until(lambda: process.accepts(port), 20, "the HTTP port")
    refused = lint_stats(shop, "--stats", f"http://127.0.0.1:{port}", status=(3,))
    assert "not allowed (401)" in refused.stderr
    lint_stats(shop, "--stats", f"http://127.0.0.1:{port}", "--stats-token-file", token)


def test_through_howdahs_own_port(shop, start_howdah):
    """No pg_stat_statements here: what the console knows is asked by itself."""
    pooler = busy_shop(shop, start_howdah, "port")
    read, = about(lint(shop, uri=pooler.uri(shop.name)), "dropped-column-still-read")
    assert "t.b ran 40 times" in read["message"] and "(by shop-web" in read["evidence"]
    assert about(lint(shop), "dropped-column-still-read") == [], "the server itself does not know"


def test_live_findings_can_be_suppressed(shop, start_howdah):
    pooler = busy_shop(shop, start_howdah, "ignore")
    shop.write("migrations/0002_b.sql",
               "-- howdah-ignore dropped-column-still-read -- its reader is switched off tonight\n"
               "ALTER TABLE t\n  DROP COLUMN b;\n")
    rules = [f["rule"] for f in lint(shop, uri=pooler.uri(shop.name))]
    assert "drop-column" in rules
    assert "dropped-column-still-read" not in rules and "unused-suppression" not in rules


def test_findings_do_not_hide_behind_a_database_that_is_away(sandbox):
    sandbox.write("migrations/0001_a.sql", "CREATE TABLE t (id bigint PRIMARY KEY, a int);\n")
    sandbox.write("migrations/0002_b.sql", "CREATE INDEX t_a ON t (a);\n")
    for words in (["--database", "postgresql://nobody@127.0.0.1:1/x"],
                  ["--stats", "http://127.0.0.1:1"]):
        done = subprocess.run([sandbox.command()[0], "lint", "migrations", "--format", "json", *words],
                              cwd=sandbox.folder, capture_output=True, text=True, timeout=120,
                              env=process.clean_environment())
        assert done.returncode == 3 and "127.0.0.1" in done.stderr
        rules = {finding["rule"] for finding in json.loads(done.stdout)["findings"]}
        assert "create-index-blocks-writes" in rules
    bad = subprocess.run([sandbox.command()[0], "lint", "migrations", "--database", "no=conninfo"],
                         cwd=sandbox.folder, capture_output=True, text=True, timeout=120,
                         env=process.clean_environment())
    assert bad.returncode == 2 and not bad.stdout, "wrong usage is no report"
