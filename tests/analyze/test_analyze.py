"""howdah analyze as people and machines call it."""

import json
import re
import signal
import subprocess
from pathlib import Path

import jsonschema
import pytest

from tests.observe.test_http import TOKEN, running, server_of
from tools import process, proxy
from tools.pgcluster import SUPERUSER
from tools.shell import ROOT

SCHEMAS = ROOT / "docs" / "schemas"
PANTRY = ROOT / "examples" / "pantrycrm"
SECONDS_MAX = 120
LOOP = """import { prisma } from './client';
export async function names(ids: number[]) {
  for (const id of ids) {
    await prisma.user.findFirst({ where: { id } });
  }
}
"""

pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer does not judge queries")


class Folder:
    def __init__(self, path):
        self.path = path

    def write(self, name, text):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    def command(self, *words):
        return [str(proxy.program()), "analyze", *map(str, words)]

    def analyze(self, *words, status=None, stdin=""):
        done = subprocess.run(self.command(*words), cwd=self.path, capture_output=True, text=True,
                              timeout=SECONDS_MAX, input=stdin, env=process.clean_environment())
        if status is not None:
            assert done.returncode == status, done.stdout + done.stderr
        return done

    def findings(self, *words, stdin=""):
        return held(self.analyze(*words, "--format", "json", stdin=stdin).stdout)["findings"]

    def rules(self, *words, stdin=""):
        return sorted(finding["rule"] for finding in self.findings(*words, stdin=stdin))

    def verdicts(self, *words, stdin=""):
        done = self.analyze(*words, "--verdict", "--format", "json", stdin=stdin)
        return held(done.stdout)["queries"]


def held(text):
    """A JSON document, held to the schema that it names."""
    document = json.loads(text)
    name = document["schema"].replace("/", "-")
    jsonschema.validate(document, json.loads((SCHEMAS / f"{name}.json").read_text()))
    return document


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture(scope="module")
def orders(cluster, new_database):
    """A database with a table large enough to need indexes, and one that is not."""
    name = new_database("analyzed")
    cluster.primary.sql("create table orders (id bigint primary key, customer_email text, total int);"
                        "create table settings (id int primary key, name text);"
                        "insert into orders select n, 'c' || n, n from generate_series(1, 20000) n;"
                        "analyze orders; analyze settings", name)
    return (f"host={cluster.primary.sockets} port={cluster.primary.port} user={SUPERUSER} "
            f"dbname={name}")


def test_text_shows_the_line_and_a_caret(folder):
    folder.write("a.ts", LOOP)
    text = folder.analyze("a.ts", status=1).stdout
    assert "a.ts:4:11: error: user.findFirst once for each element [n-plus-one]" in text
    source, caret = re.search(r"^4 \| (.*)\n +\| (.*)$", text, re.M).groups()
    assert source == "    await prisma.user.findFirst({ where: { id } });"
    assert caret == " " * source.index("prisma") + "^" + "~" * (len("prisma.user.findFirst") - 1)
    assert "findMany({ where: { id: { in: keys } } })" in text


def test_each_format(folder):
    folder.write("a.ts", LOOP)
    finding, = folder.findings("a.ts")
    assert (finding["rule"], finding["severity"], finding["line"]) == ("n-plus-one", "error", 4)

    sarif = json.loads(folder.analyze("a.ts", "--format", "sarif", status=1).stdout)
    result, = sarif["runs"][0]["results"]
    assert sarif["version"] == "2.1.0" and result["ruleId"] == "n-plus-one"
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 4
    named = {rule["id"] for rule in sarif["runs"][0]["tool"]["driver"]["rules"]}
    assert {"n-plus-one", "missing-index", "select-star"} <= named

    github = folder.analyze("a.ts", "--format", "github", status=1).stdout
    assert re.match(r"::error file=a\.ts,line=4,", github)
    assert "n-plus-one" in folder.analyze("a.ts", "--format", "markdown", status=1).stdout
    assert json.loads(folder.analyze("a.ts", "--format", "gitlab", status=1).stdout)


def test_the_line_to_add_for_a_relation_without_an_index(folder):
    """As Prisma, Drizzle and SQL write it; with the line added, nothing is left to say."""
    prisma = ("model User {\n  id Int @id\n  posts Post[]\n}\nmodel Post {\n  id Int @id\n"
              "  authorId Int\n  author User @relation(fields: [authorId], references: [id])\n%s}\n")
    drizzle = ("export const users = pgTable('users', { id: integer('id').primaryKey() });\n"
               "export const posts = pgTable('posts', { id: integer('id').primaryKey(),\n"
               "  authorId: integer('author_id').references(() => users.id) }%s);\n")
    sql = ("create table users (id int primary key);\n"
           "create table posts (id int primary key, author_id int references users (id));\n%s")
    for name, text, add in (("schema.prisma", prisma, "  {}\n"),
                            ("schema.ts", drizzle, ", (table) => [{}]"), ("schema.sql", sql, "{}")):
        folder.write(name, text % "")
        [found] = [each for each in folder.findings(name)
                   if each["rule"] == "unindexed-foreign-key"]
        folder.write(name, text % add.format(found["fix"]))
        assert "unindexed-foreign-key" not in folder.rules(name), found["fix"]


def test_exit_statuses(folder):
    folder.write("clean.sql", "select id from users where id = 1;\n")
    folder.write("info.sql", "select * from users where id = 1;\n")
    folder.write("warning.sql", "select id from users order by random() limit 1;\n")
    folder.write("error.sql", "delete from users;\n")
    folder.analyze("clean.sql", status=0)
    for name, least in (("info", "info"), ("warning", "warning"), ("error", "error")):
        folder.analyze(f"{name}.sql", "--fail-on", least, status=1)
        folder.analyze(f"{name}.sql", "--fail-on", "never", status=0)
    folder.analyze("info.sql", status=0)
    folder.analyze("warning.sql", "--fail-on", "error", status=0)
    folder.analyze("warning.sql", "--fail-on", "high", status=0)
    folder.analyze("error.sql", "--fail-on", "high", status=1)
    folder.analyze("nowhere.sql", status=2)
    folder.analyze("--no-such-option", status=2)
    folder.analyze("clean.sql", "--format", "yaml", status=2)
    folder.analyze("clean.sql", "--disable", "no-such-rule", status=2)
    folder.analyze("clean.sql", "--stats", "clean.sql", status=2)
    port = process.free_port()
    folder.analyze("clean.sql", "--database", f"postgresql://127.0.0.1:{port}/x", status=3)
    folder.analyze("clean.sql", "--stats", f"http://127.0.0.1:{port}", status=3)


def test_standard_input(folder):
    assert folder.rules("-", stdin="delete from users;") == ["delete-without-where"]
    assert folder.rules("-", "--language", "ts", stdin=LOOP) == ["n-plus-one"]
    finding, = folder.findings("-", stdin="\n\ndelete from users;")
    assert (finding["file"], finding["line"]) == ("<stdin>", 3)


def test_a_dump_of_pg_stat_statements(folder, cluster, orders):
    name = orders.rsplit("=", 1)[1]
    cluster.primary.sql("create extension if not exists pg_stat_statements", name)
    for number in range(7):
        cluster.primary.sql(f"select id from orders where customer_email = 'c{number}'", name)
    csv = subprocess.run(
        ["psql", "-d", orders, "-X", "--csv", "-c",
         "select s.* from pg_stat_statements s join pg_database d on d.oid = dbid "
         f"where datname = '{name}' and query like 'select id from orders%'"],
        check=True, capture_output=True, text=True, env=process.clean_environment()).stdout
    folder.write("statements.csv", csv)
    words = ("statements.csv", "--language", "statements", "--database", orders)
    assert folder.rules(*words) == ["missing-index"]
    verdict, = folder.verdicts(*words, "--days", "2")
    assert verdict["callsPerDay"] == 3.5 and verdict["millisecondsPerDay"] > 0
    assert verdict["executionTime"] > 0 and not verdict["hasIndexes"]

    # The same numbers beside an ORM's call of that shape.
    folder.write("schema.prisma", "model orders {\n  id BigInt @id\n  customer_email String\n"
                                  "  total Int\n}\n")
    folder.write("a.ts", "await prisma.orders.findMany({ where: { customer_email: mail }, take: 5 });\n")
    call, = folder.verdicts("a.ts", "schema.prisma", "--stats", "statements.csv")
    assert call["callsPerDay"] == 7 and call["operation"] == "read"


@pytest.mark.parametrize("name, text", [
    ("text", "2026-11-22 10:00:00 UTC [1] app@shop LOG:  duration: 12.5 ms  statement: "
             "delete from users\n"
             "2026-11-22 10:00:01 UTC [1] app@shop LOG:  connection received: host=x\n"
             "2026-11-22 10:00:02 UTC [1] app@shop LOG:  duration: 7.5 ms  execute s1: "
             "delete from users\n"),
    ("json", '{"timestamp":"x","message":"duration: 12.5 ms  statement: delete from users"}\n'
             '{"timestamp":"x","message":"duration: 7.5 ms  execute s1: delete from users"}\n')])
def test_a_log(folder, name, text):
    folder.write("server.log", text)
    assert folder.rules("server.log", "--language", "log") == ["delete-without-where"]
    verdict, = folder.verdicts("server.log", "--language", "log")
    assert (verdict["callsPerDay"], verdict["millisecondsPerDay"]) == (2, 20)


def test_a_statement_of_several_lines_in_a_json_log(folder):
    """Its own lines are escaped: they are none of the file's."""
    folder.write("server.log", '{"message":"connection received"}\n'
                 '{"message":"duration: 1 ms  statement: delete\\n\\nfrom users"}\n')
    finding, = folder.findings("server.log", "--language", "log")
    assert finding["line"] == 2


def test_a_database_knows_indexes_and_sizes(folder, orders):
    folder.write("a.sql", "select total from orders where customer_email = 'c1';\n"
                          "select total from orders where id = 1;\n"
                          "select name from settings where name = 'x';\n")
    assert folder.rules("a.sql") == []  # unknown is not missing
    found, = folder.findings("a.sql", "--database", orders)
    assert (found["rule"], found["line"]) == ("missing-index", 1)
    assert "create index concurrently on orders (customer_email)" in found["fix"].lower()
    first, second, third = sorted(folder.verdicts("a.sql", "--database", orders),
                                  key=lambda verdict: verdict["line"])
    assert first["estimatedCost"] > 10_000 > 10 > second["estimatedCost"]
    assert (first["hasIndexes"], second["hasIndexes"], third["hasIndexes"]) == (False, True, True)


def test_a_schema_dump_stands_in_for_the_database(folder, cluster, orders):
    dump = subprocess.run(["pg_dump", "--schema-only", orders], check=True, capture_output=True,
                          text=True, env=process.clean_environment()).stdout
    folder.write("dump.sql", dump)
    folder.write("a.sql", "select total from orders where customer_email = 'c1';\n"
                          "select id from organizations where id = 1;\n")
    found, = folder.findings("a.sql", "--schema", "dump.sql")
    assert (found["rule"], found["file"], found["line"]) == ("missing-index", "a.sql", 1)


def test_what_cannot_be_read_is_named_and_the_rest_judged(folder):
    folder.write("bin.sql", b"select 1;\0\0\0")
    folder.write("huge.sql", "-- x\n" * 1_000_000)
    folder.write("broken.sql", "select 1 from;\ndelete from users;\n")
    folder.write("broken.ts", "const a = = 1;\n" + LOOP)
    folder.write("broken.prisma", "model User {\n  id Int @id\n  ???\n}\n")
    folder.write("latin.sql", b"select 'caf\xe9' from t where id = 1;\n")
    by_file = {}
    for finding in folder.findings("."):
        by_file.setdefault(finding["file"], []).append((finding["rule"], finding["line"]))
    assert [rule for rule, _ in by_file["bin.sql"]] == ["file-skipped"]
    assert [rule for rule, _ in by_file["huge.sql"]] == ["file-skipped"]
    assert sorted(by_file["broken.sql"]) == [("delete-without-where", 2), ("syntax-error", 1)]
    assert sorted(by_file["broken.ts"]) == [("n-plus-one", 5), ("syntax-error", 1)]
    assert by_file["broken.prisma"] == [("syntax-error", 3)]


def test_suppressions_need_a_reason_and_a_use(folder):
    folder.write("a.sql", "-- howdah-ignore delete-without-where -- emptied every night\n"
                          "delete from users;\n"
                          "delete from logs; -- howdah-ignore delete-without-where\n"
                          "select 1; -- howdah-ignore select-star -- nothing here\n")
    assert folder.rules("a.sql") == ["suppression-without-reason", "unused-suppression"]
    folder.write("b.ts", LOOP.replace("    await", "    // howdah-ignore n-plus-one -- at most two\n"
                                                   "    await"))
    assert folder.rules("b.ts") == []
    folder.write("c.sql", "-- howdah-ignore-file delete-without-where -- a script of resets\n"
                          "delete from users;\ndelete from logs;\n")
    assert folder.rules("c.sql") == []
    folder.write("d.sql", "select 1; -- howdah-ignore delete-without-were -- a slip\n")
    assert "there is no rule delete-without-were" in folder.analyze("d.sql", status=0).stdout


def test_a_baseline_hides_what_was_there_even_when_lines_move(folder):
    folder.write("a.sql", "delete from users;\n")
    folder.analyze("a.sql", "--write-baseline", "known.json", status=0)
    folder.analyze("a.sql", "--baseline", "known.json", status=0)
    folder.write("a.sql", "select 1;\n\n\ndelete from users;\ndelete from logs;\n")
    found, = folder.findings("a.sql", "--baseline", "known.json")
    assert found["line"] == 5
    folder.analyze("a.sql", "--baseline", "nowhere.json", status=2)


def test_rules_can_be_listed_explained_and_switched_off(folder):
    listed = {line.split()[0] for line in folder.analyze("--list-rules", status=0).stdout.splitlines()}
    assert {"n-plus-one", "missing-index", "not-in-null", "unbounded-include"} <= listed
    for rule in listed:
        assert rule in folder.analyze("--explain", rule, status=0).stdout
    folder.analyze("--explain", "no-such-rule", status=2)
    folder.write("a.sql", "delete from users;\n")
    assert folder.rules("a.sql", "--disable", "delete-without-where") == []
    text = folder.analyze("--help", status=0).stdout
    assert "Examples:" in text and "Exit status:" in text


def test_watch_judges_again_when_a_file_changes(folder):
    folder.write("a.sql", "select id from users where id = 1;\n")
    with open(folder.path / "output", "wb") as output:
        watcher = subprocess.Popen(folder.command(".", "--watch"), cwd=folder.path, stdout=output,
                                   stderr=subprocess.STDOUT, env=process.clean_environment())
        try:
            shown = (folder.path / "output").read_text
            process.wait_until(lambda: "0 findings" in shown(), 30, "the first look")
            folder.write("a.sql", "delete from users;\n")
            process.wait_until(lambda: "delete-without-where" in shown(), 30, "the second look")
            assert re.search(r"\n--- changed; again at \d\d:\d\d:\d\d ---\n", shown())
            watcher.send_signal(signal.SIGINT)
            assert watcher.wait(30) == 1
        finally:
            watcher.kill()
            watcher.wait()


def test_verdicts_keep_the_formula(folder):
    folder.write("q.sql", "select id from users where email = $1;\n"
                          "select count(*) from users where created_at > now() - interval '1 day';\n"
                          "update users set name = 'x' where id = 1;\n"
                          "select u.id from users u join posts p on p.author_id = u.id "
                          "where u.a = 1 and (p.b = 2 or p.c = 3) and u.d = nextval('s');\n")
    folder.write("a.ts", LOOP + "await prisma.$queryRaw`select id from users where id = ${id}`;\n"
                                "await prisma.user.count();\n"
                                "await prisma.user.findMany({ take: 5, where: { a: 1, b: 2 }, "
                                "include: { posts: { take: 1, include: { tags: { take: 1 } } } } });\n")
    base = {"read": 5, "write": 10, "raw": 15, "aggregate": 15}
    verdicts = folder.verdicts("q.sql", "a.ts")
    assert len(verdicts) == 8
    for one in verdicts:
        score = (base[one["operation"]] + one["includeDepth"] * 10 + one["whereCount"] * 5
                 + len(one["issues"]) * 20)
        level = ("low" if score < 30 else "medium" if score < 70 else "high" if score < 100
                 else "critical")
        assert (one["score"], one["complexity"]) == (score, level), one
    assert [one["score"] for one in verdicts] == sorted((one["score"] for one in verdicts),
                                                        reverse=True)
    by_line = {(one["file"], one["line"]): one for one in verdicts}
    lookup, clock = by_line["q.sql", 1], by_line["q.sql", 2]
    assert (lookup["route"], lookup["cached"]) == ("replica", True)
    assert (clock["route"], clock["cached"], clock["operation"]) == ("replica", False, "aggregate")
    assert by_line["q.sql", 3]["route"] == "primary" and "users" in by_line["q.sql", 3]["routeReason"]
    assert by_line["q.sql", 4]["route"] == "primary"
    nested = by_line["a.ts", 9]
    assert (nested["includeDepth"], nested["whereCount"]) == (2, 2)
    loop = by_line["a.ts", 4]
    assert loop["recommendations"][0]["type"] == "query-rewrite"
    assert loop["recommendations"][0]["priority"] == "high"


def test_real_numbers_from_a_running_howdah(folder, run_folder, cluster, new_database):
    name = new_database("analyzed_live")
    token = Path(run_folder) / "token-of-analyze"
    token.write_text(TOKEN + "\n")
    with running(Path(run_folder) / "analyzed-live", {name: server_of(cluster)},
                 http_token_file=str(token)) as one:
        url = f"http://127.0.0.1:{one.port}"
        with one.connect(name) as connection:
            for number in range(9):
                connection.execute("select id, name from organizations where owner_id = %s", [number])
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        process.wait_until(lambda: "owner_id" in one.get("/api/queries", **bearer).body, 10, "events")
        folder.write("a.ts", "await prisma.organization.findMany({ where: { ownerId }, take: 9 });\n")
        folder.write("q.sql", "select id, name from organizations where owner_id = 42;\n")
        words = ("a.ts", "q.sql", "--schema", PANTRY / "prisma" / "schema.prisma", "--stats", url)
        folder.analyze(*words, status=3)  # without its token
        words += ("--stats-token-file", token)
        found = {verdict["file"]: verdict for verdict in folder.verdicts(*words, "--days", "3")}
        for verdict in (found["a.ts"], found["q.sql"]):
            assert verdict["callsPerDay"] == 3 and verdict["millisecondsPerDay"] > 0
        assert folder.verdicts(*words)[0]["callsPerDay"] > 9  # it has run for less than a day


def test_the_example_application(folder):
    rules = folder.rules(PANTRY)
    assert rules and set(rules) == {"unindexed-foreign-key"}
