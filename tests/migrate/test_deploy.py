"""howdah deploy: every stage, and the way back from each; what is back is compared as a dump."""

import http.server
import json
import re
import shutil
import threading

import pytest

from tests.migrate.harness import held_to_schema
from tools import process

FIRST = "create table users (id int primary key, email text);\n" \
        "insert into users select n, 'u' || n from generate_series(1, 100) n;\n"
EXPAND = "alter table users add column nick text;\n"
NARROW = "create table extra (id int primary key);\nalter table users rename column email to mail;\n"


@pytest.fixture
def box(sandbox):
    sandbox.write("migrations/1_first.sql", FIRST)
    sandbox.up()
    return sandbox


def configure(box, text: str = "", **deploy) -> None:
    lines = [f"{key} = {json.dumps(value)}" for key, value in deploy.items()]
    box.write("howdah.toml", "[deploy]\n" + "\n".join(lines) + "\n" + text)


def record(box) -> dict:
    newest = max((box.folder / "howdah-deploys").glob("*.json"), key=lambda p: p.stat().st_mtime_ns)
    assert newest.with_suffix(".md").read_text().startswith("# Deploy ")
    return held_to_schema(json.loads(newest.read_text()))


def stages(document: dict) -> dict:
    return {stage["name"]: stage["outcome"] for stage in document["stages"]}


def test_all_stages(box):
    box.write("migrations/2_expand.sql", EXPAND)
    configure(box, '[[deploy.smoke]]\nname = "rows"\nsql = "select count(*) = 100 from users"\n'
              '[[deploy.smoke]]\ncommand = "test -f application"\n',
              application="echo $HOWDAH_PLAN_HASH > application", watch_seconds=1)
    document = box.json("deploy")
    assert stages(document) == {name: "done" for name in (
        "plan", "lint", "backup", "migrate", "validate", "application", "smoke", "watch")}
    assert document == record(box)
    assert (box.folder / "application").read_text().strip() == document["plan_hash"]
    assert all((box.folder / file).exists() for file in document["backup"]["files"])
    assert stages(box.json("deploy"))["migrate"] == "skipped"


def test_dry_run_changes_nothing(box):
    box.write("migrations/2_expand.sql", EXPAND)
    before = box.dump(howdah=True, data=True)
    configure(box, application="touch application")
    assert "alter table users add column nick text" in box.run("deploy", "--dry-run").stdout
    assert box.dump(howdah=True, data=True) == before
    assert not (box.folder / "application").exists()
    assert not (box.folder / "howdah-deploys").exists()


def test_high_risk_needs_this_plans_hash(box):
    box.write("migrations/2_drop.sql", "drop table users;\n")
    configure(box)
    refused = box.json("deploy", status=1)
    assert refused["outcome"] == "refused" and refused["risk"] == "high"
    assert f"--approve {refused['plan_hash']}" in refused["hint"]
    box.run("deploy", "--approve", "0" * 64, status=1)
    assert box.sql("select count(*) from users") == "100"
    document = box.json("deploy", "--approve", refused["plan_hash"])
    assert document["backup"]["tables"] == ["public.users"]
    assert box.sql("select to_regclass('users')") == ""


def test_gate_knows_the_database(box):
    """An index built CONCURRENTLY is in no transaction; rows that break a constraint stop it all."""
    box.write("migrations/2_index.sql", "create index concurrently users_email on users (email);\n")
    configure(box)
    document = box.json("deploy")
    assert document["outcome"] == "done" and document["risk"] in ("none", "low"), document["risk"]
    box.sql("update users set email = null where id = 7")
    box.write("migrations/3_null.sql", "alter table users alter email set not null;\n")
    refused = box.json("deploy", status=1)
    assert refused["outcome"] == "refused" and "1 rows of users without email" in refused["error"]


def test_backup_holds_the_rows_and_can_be_put_back(box):
    before = box.dump(data=True)
    configure(box, "[[deploy.smoke]]\nsql = \"select false\"\n", backup_scope="full", gate="off")
    box.write("migrations/2_drop.sql", "delete from users where id > 50; drop table users;\n")
    failed = box.json("deploy", status=1)
    assert failed["outcome"] == "failed" and "pg_restore" in failed["hint"]
    box.recreate()
    from tools import process
    from tools.pgcluster import BIN, SUPERUSER
    dump = box.server.data.parent / "restore.dump"
    shutil.copy(box.folder / failed["backup"]["files"][0], dump)
    process.run([BIN / "pg_restore", "-h", box.server.sockets, "-p", str(box.server.port), "-U",
                 SUPERUSER, "-d", box.name, dump])
    assert box.dump(data=True) == before


@pytest.mark.parametrize("migration, tables", [
    ("drop table events;\n", ["public.e1", "public.e2"]),
    ("drop schema app cascade;\n", ["app.notes", "app.tags"]),
    ("set search_path to app;\ndrop table notes;\n", ["app.notes"]),
    ("delete from users where id = 1;\n", ["app.notes", "public.users"]),
    ("truncate users cascade;\n", ["app.notes", "public.users"]),
], ids=["partitioned", "schema", "search_path", "on delete cascade", "truncate cascade"])
def test_backup_holds_all_rows_that_go(box, migration, tables):
    box.sql("create table events (k int) partition by range (k); "
            "create table e1 partition of events for values from (0) to (10); "
            "create table e2 partition of events for values from (10) to (20); "
            "insert into events values (1), (11), (12); create schema app; "
            "create table app.tags (a int); insert into app.tags values (1); "
            "create table app.notes (user_id int references users on delete cascade); "
            "insert into app.notes values (1), (2)")
    box.write("migrations/2_gone.sql", migration)
    configure(box, gate="off", stop_on_drift=False)
    document = box.json("deploy")
    assert sorted(document["backup"]["tables"]) == tables


def test_gate_sees_the_transactions_of_the_runner(box):
    """What stands before and behind a statement that runs apart is one transaction each."""
    box.sql("create table other (id int primary key)")
    box.write("migrations/2_mixed.sql",
              "create index concurrently users_email on users (email);\n"
              "alter table other add column a int;\n"
              "alter table users add constraint c check (id > 0) not valid;\n"
              "alter table users validate constraint c;\n")
    configure(box, stop_on_drift=False)
    document = box.json("deploy")
    rules = {finding["rule"] for finding in document["findings"]}
    assert "validate-in-same-transaction" in rules and "concurrently-in-transaction" not in rules


def test_restore_by_consent(box):
    before = box.dump(data=True)
    configure(box, "[[deploy.smoke]]\nsql = \"select false\"\n", backup_scope="full", gate="off")
    box.write("migrations/2_drop.sql", "drop table users;\n")
    document = box.json("deploy", "--restore", status=1)
    assert stages(document)["restore"] == "done" and document["outcome"] == "rolled-back"
    assert box.dump(data=True) == before


def test_failing_smoke_test_keeps_what_only_adds(box):
    box.write("migrations/2_expand.sql", EXPAND)
    configure(box, "[[deploy.smoke]]\ncommand = \"echo it is broken; false\"\n",
              application="echo new > application", application_rollback="echo old > application")
    document = box.json("deploy", status=1)
    assert document["outcome"] == "rolled-back"
    assert stages(document)["roll back schema"] == "skipped"
    assert "it is broken" in document["smoke"][0]["detail"]
    assert (box.folder / "application").read_text() == "old\n"
    assert box.sql("select count(nick) from users") == "0"


@pytest.mark.parametrize("policy", ["when-needed", "always"])
def test_failing_smoke_test_goes_back(box, policy):
    before = box.dump(data=True)
    box.write("migrations/2_narrow.up.sql", NARROW if policy == "when-needed" else EXPAND)
    if policy == "when-needed":
        box.write("migrations/2_narrow.down.sql",
                  "alter table users rename column mail to email; drop table extra;\n")
    configure(box, "[[deploy.smoke]]\nsql = \"select false\"\n", gate="off",
              application="true", application_rollback="true", roll_back_schema=policy)
    document = box.json("deploy", status=1)
    assert document["outcome"] == "rolled-back"
    assert stages(document)["roll back schema"] == "done"
    assert box.dump(data=True) == before
    assert box.json("migrate", "status")["pending"] == 1


def test_rollback_never_drops_what_was_written_since(box):
    box.write("migrations/2_expand.sql", EXPAND)
    configure(box, "[[deploy.smoke]]\nsql = \"select false\"\n", roll_back_schema="always",
              application=f"psql -X '{box.uri}' -c \"update users set nick = 'new' where id = 1\"",
              application_rollback="true")
    document = box.json("deploy", status=1)
    assert document["outcome"] == "failed"
    assert "would destroy data" in json.dumps(document["stages"])
    assert box.sql("select nick from users where id = 1") == "new"


def test_failure_inside_a_transaction_needs_no_way_back(box):
    before = box.dump(data=True)
    box.write("migrations/2_bad.sql", EXPAND + "select 1/0;\n")
    configure(box, application="touch application")
    document = box.json("deploy", status=1)
    assert document["outcome"] == "rolled-back" and "22012" in document["error"]
    assert box.dump(data=True) == before
    assert not (box.folder / "application").exists()


def test_half_a_migration_is_taken_back(box):
    before = box.dump(data=True)
    box.write("migrations/2_half.sql", EXPAND + "alter table users add constraint c check (id > 0) "
              "not valid;\ncreate unique index concurrently k on users ((1));\n")
    configure(box, gate="off")
    document = box.json("deploy", status=1)
    assert document["outcome"] == "rolled-back"
    assert stages(document)["roll back schema"] == "done"
    assert box.dump(data=True) == before
    assert box.json("migrate", "status")["pending"] == 1


def test_a_lost_connection_does_not_stop_the_way_back(box):
    before = box.dump()
    box.write("migrations/2_lost.sql", "alter table users add column nick text;\n"
              "create index concurrently users_email on users (email);\n"
              "select pg_terminate_backend(pg_backend_pid());\n")
    configure(box)
    document = box.json("deploy", status=1)
    assert document["outcome"] == "rolled-back", document["stages"]
    assert box.dump() == before


def test_failing_application_goes_back(box):
    box.write("migrations/2_expand.sql", EXPAND)
    configure(box, application="echo no such image >&2; exit 7",
              application_rollback="echo old > application")
    document = box.json("deploy", status=1)
    assert document["outcome"] == "rolled-back" and "ended with 7: no such image" in document["error"]
    assert (box.folder / "application").read_text() == "old\n"


@pytest.mark.parametrize("settings, words", [
    (dict(backup="command", backup_command="exit 3"), "ended with 3"),
    (dict(backup="command", backup_command="true"), "left nothing"),
    (dict(backup="command", backup_command="echo x > $HOWDAH_BACKUP_FILE", backup_verify="false"),
     "verification ended with 1"),
    (dict(backup="restore_point"), "archive_mode is off"),
])
def test_no_backup_no_migration(box, settings, words):
    box.write("migrations/2_expand.sql", EXPAND)
    configure(box, **settings)
    document = box.json("deploy", status=1)
    assert words in document["error"]
    assert box.json("migrate", "status")["pending"] == 1


def test_drift_stops(box):
    box.write("migrations/2_expand.sql", EXPAND)
    box.sql("alter table users add column by_hand int")
    configure(box)
    document = box.json("deploy", status=1)
    assert document["outcome"] == "refused" and "users.by_hand" in document["error"]
    box.run("deploy", "--ignore-drift")


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/good" else 503)
        self.end_headers()
        self.wfile.write(b"all is well")

    def log_message(self, *arguments):
        pass


@pytest.mark.parametrize("path, extra, passes", [
    ("/good", 'contains = "well"', True), ("/good", 'contains = "bad"', False),
    ("/down", "", False), ("/down", "status = 503", True)])
def test_http_smoke_tests(box, path, extra, passes):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        configure(box, f'[[deploy.smoke]]\nurl = "http://127.0.0.1:{server.server_port}{path}"\n'
                  f"{extra}\n")
        document = box.json("deploy", status=0 if passes else 1)
        assert [result["passed"] for result in document["smoke"]] == [passes]
        server.shutdown()


def test_watch_notices_errors(box):
    """The application that was deployed makes one transaction in two fail."""
    box.write("migrations/2_expand.sql", EXPAND)
    until_it_is_back = ERRORS.replace("seq 40", "seq 2000").replace("do ", "do test -e back && break; ")
    configure(box, application="(" + until_it_is_back.format(uri=box.uri) + ") >/dev/null 2>&1 &",
              application_rollback="touch back", watch_seconds=15)
    document = box.json("deploy", status=1)
    assert "transactions are rolled back" in document["error"]
    assert document["outcome"] == "rolled-back" and (box.folder / "back").exists()


def test_watch_notices_slow_queries(box):
    """The same statement, which the application that was deployed makes ten times as slow."""
    box.sql("create extension pg_stat_statements; create function work(seconds float default 0.001) "
            "returns void language sql as 'select pg_sleep(seconds)'")
    for _ in range(6):
        box.sql("select work()")
    slower = ("create or replace function work(seconds float default 0.1) returns void language sql "
              "as 'select pg_sleep(seconds)'")
    configure(box, application=f"psql -X -q '{box.uri}' -c \"{slower}\" && (for i in $(seq 100); do "
              f"psql -X -q '{box.uri}' -c 'select work()'; done) >/dev/null 2>&1 &",
              application_rollback="touch back", watch_seconds=15, stop_on_drift=False)
    document = box.json("deploy", status=1)
    assert re.search(r"query -?\d+ takes 1\d\d\.\d ms on average", document["error"]), document["error"]
    assert document["outcome"] == "rolled-back" and (box.folder / "back").exists()


ERRORS = "for i in $(seq 40); do psql -X -q '{uri}' -c 'select 1' -c 'select 1/0'; done"


def test_errors_in_another_database_are_not_this_deploys(box):
    """Statistics of the whole server would show one transaction in two rolled back."""
    other = box.name + "_other"
    box.server.sql(f"create database {other}")
    count = f"select xact_rollback from pg_stat_database where datname = '{other}'"
    before = int(box.sql(count))
    uri = box.uri.replace(f"/{box.name}?", f"/{other}?")
    configure(box, application="(" + ERRORS.format(uri=uri) + ") >/dev/null 2>&1 &",
              watch_seconds=4)
    assert box.json("deploy")["outcome"] == "done"
    process.wait_until(lambda: int(box.sql(count)) - before >= 20, 60, "the errors")
    box.server.sql(f"drop database {other} with (force)")


def test_the_watch_makes_no_errors_itself(box):
    """Where pg_stat_statements cannot be read, each look at it was one more transaction rolled
    back, and in the end the deploy was."""
    box.sql("create extension pg_stat_statements; "
            "alter extension pg_stat_statements drop view pg_stat_statements; "
            "drop view pg_stat_statements")
    configure(box, watch_seconds=6, stop_on_drift=False)
    count = f"select xact_rollback from pg_stat_database where datname = '{box.name}'"
    before = int(box.sql(count))
    assert box.json("deploy")["outcome"] == "done"
    assert int(box.sql(count)) - before <= 2


def test_password_is_in_no_record(box):
    box.server.sql("create role deployer superuser login password 'hush-hush'")
    box.write("migrations/2_expand.sql", EXPAND)
    configure(box)
    uri = f"postgresql://deployer:hush-hush@127.0.0.1:{box.server.port}/{box.name}"
    done = box.run("deploy", uri=uri)
    texts = "".join(p.read_text() for p in (box.folder / "howdah-deploys").iterdir())
    assert "hush" not in texts + done.stdout + done.stderr
