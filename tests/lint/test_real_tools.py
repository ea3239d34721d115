"""What lint says about a folder's transactions and order, held against what the tool itself does with
the folder: dbmate, graphile-migrate, Drizzle 0.x and 1.0 and Prisma from npm, sqitch from Debian.

Prisma's engine from npm is WebAssembly over a driver adapter, which cuts scripts into statements: what
its native engine does with one file cannot be seen here."""

import json
import re
import shutil
from collections import Counter

import pytest

from tests.lint.test_fix import lint
from tests.lint.test_fix_chains import PLANNER, commit, graphile, sqitch
from tests.migrate.harness import NODE_SOURCES, copy_tool
from tests.migrate.test_hosts import DRIZZLE_CONFIG, PRISMA_CONFIG, PRISMA_SCHEMA, SCHEMA_TS
from tests.migrate.test_hosts import Drizzle0, Drizzle1, Prisma
from tests.migrate.test_plain_tools import run_dbmate
from tools.pgcluster import BIN, SUPERUSER

BREAK = "\n--> statement-breakpoint\n"


class Dbmate:
    folder, alone_head = "db/migrations", "-- migrate:up transaction:false\n"

    def __init__(self, box):
        self.box = box
        box.server.sql(f"alter role {SUPERUSER} password 'x'")

    def write(self, number, statements, alone=False):
        head = self.alone_head if alone else "-- migrate:up\n"
        self.box.write(f"{self.folder}/2024010{number}000000_m.sql",
                       head + "\n".join(statements) + "\n\n-- migrate:down\n")

    def run(self):
        run_dbmate(self.box, "up")


class Graphile:
    folder = "migrations"

    def __init__(self, box):
        self.box, self.last = box, ""

    def write(self, number, statements, alone=False):
        body = ("--! no-transaction\n" if alone else "") + "\n".join(statements)
        self.last = commit(self.box, number, body, self.last)

    def run(self):
        graphile(self.box, "migrate")


class Sqitch:
    folder = "."

    def __init__(self, box):
        self.box = box
        self.plan = "%syntax-version=1.0.0\n%project=shop\n\n"
        box.write("sqitch.conf", f"[core]\n\tengine = pg\n[engine \"pg\"]\n\tclient = "
                  f"{BIN / 'psql'}\n[user]\n\tname = Ann O'Ther\n\temail = ann@example.org\n")

    def write(self, number, statements, alone=True):
        body = "\n".join(statements)
        self.box.write(f"deploy/m{number}.sql", f"-- Deploy shop:m{number} to pg\n\n"
                       + (body if alone else f"BEGIN;\n{body}\nCOMMIT;") + "\n")
        self.plan += f"m{number} 2024-01-0{number}T00:00:00Z {PLANNER} # m\n"
        self.box.write("sqitch.plan", self.plan)

    def run(self):
        sqitch(self.box, "deploy")


class OfNode:
    """Drizzle and Prisma: the project's own packages."""

    alone_head = None

    def __init__(self, box):
        self.box, self.one = box, self.host(box)
        box.server.sql(f"alter role {SUPERUSER} password 'x'")
        copy_tool(self.host.tool, box.folder)
        wanted = json.loads((NODE_SOURCES / self.host.tool / "package.json").read_text())
        box.write("package.json", json.dumps({"type": "module", "dependencies":
                                              wanted["dependencies"]}))
        self.prepare()

    def prepare(self):
        self.box.write("schema.ts", SCHEMA_TS)
        self.box.write("drizzle.config.ts", DRIZZLE_CONFIG)

    def run(self):
        self.one.migrate()


class OfDrizzle0(OfNode):
    host, folder = Drizzle0, "drizzle"

    def prepare(self):
        super().prepare()
        self.entries = []

    def write(self, number, statements, alone=False):
        self.entries.append({"idx": number - 1, "version": "7", "when": 1700000000000 + number,
                             "tag": f"{number:04}_m", "breakpoints": True})
        self.box.write("drizzle/meta/_journal.json", json.dumps(
            {"version": "7", "dialect": "postgresql", "entries": self.entries}, indent=2))
        self.box.write(f"drizzle/{number:04}_m.sql", BREAK.join(statements) + "\n")


class OfDrizzle1(OfNode):
    host, folder = Drizzle1, "drizzle"

    def write(self, number, statements, alone=False):
        name = f"drizzle/2024010{number}000000_m"
        self.box.write(f"{name}/migration.sql", BREAK.join(statements) + "\n")
        self.box.write(f"{name}/snapshot.json", json.dumps(
            {"id": f"0000000{number}-0000-4000-8000-000000000000", "version": "8",
             "dialect": "postgres", "ddl": [], "renames": [],
             "prevIds": [f"0000000{number - 1}-0000-4000-8000-000000000000"]}))


class OfPrisma(OfNode):
    host, folder = Prisma, "prisma/migrations"

    def prepare(self):
        self.box.write("prisma/schema.prisma", PRISMA_SCHEMA)
        self.box.write("prisma.config.ts", PRISMA_CONFIG)
        self.box.write("prisma/migrations/migration_lock.toml", 'provider = "postgresql"\n')

    def write(self, number, statements, alone=False):
        self.box.write(f"prisma/migrations/2024010{number}000000_m/migration.sql",
                       "\n".join(statements) + "\n")


TOOLS = {"dbmate": Dbmate, "graphile": Graphile, "sqitch": Sqitch, "drizzle0": OfDrizzle0,
         "drizzle1": OfDrizzle1, "prisma": OfPrisma}
OF_FILES = [name for name in TOOLS if name != "prisma"]
SWITCHED = ("dbmate", "graphile", "sqitch")  # a file of theirs may ask for no transaction


@pytest.fixture(params=TOOLS)
def tool(request, sandbox):
    if request.param == "sqitch" and shutil.which("sqitch") is None:
        pytest.skip("sqitch is not installed")
    made = TOOLS[request.param](sandbox)
    made.name = request.param
    return made


FIRST = ["CREATE TABLE a (id int PRIMARY KEY);", "CREATE TABLE b (id int PRIMARY KEY);",
         "INSERT INTO a VALUES (1);", "INSERT INTO b VALUES (1);"]


def stamp(table: str, name: str) -> str:
    """A statement that leaves behind in which transaction it ran."""
    return f"ALTER TABLE {table} ADD COLUMN {name} bigint DEFAULT txid_current();"


def predicted(box, folder, *words) -> list[int]:
    """Statements that each transaction of the second file holds, as lint sees it."""
    document = lint(box, folder, *words)
    second = sorted(document["files"], key=lambda file: file["file"])[1]
    text = (box.folder / second["file"]).read_text().splitlines()
    return [sum("txid_current" in line for line in
                text[one["first_line"] - 1:one["last_line"]]) for one in second["transactions"]]


@pytest.mark.parametrize("alone", [False, True], ids=["as-usual", "no-transaction"])
@pytest.mark.parametrize("tool", OF_FILES, indirect=True)
def test_transactions(sandbox, tool, alone):
    if alone and tool.name not in SWITCHED:
        pytest.skip("it has no switch for that")
    statements = [stamp("a", "s1"), stamp("b", "s2"), stamp("a", "s3")]
    tool.write(1, FIRST)
    tool.write(2, statements, alone)
    said = predicted(sandbox, tool.folder)
    tool.run()
    columns = sandbox.sql("select string_agg(format('select %I from %I', attname, attrelid::regclass)"
                          ", ' union all ') from pg_attribute where attname ~ '^s[0-9]$'")
    ids = Counter(sandbox.sql(columns).split())
    assert sorted(ids.values()) == sorted(said)
    assert sum(said) == len(statements)


def test_pending_files_are_one_transaction_or_several(sandbox, tool):
    """NOT VALID in one file, VALIDATE in the next: the same transaction with Drizzle alone."""
    tool.write(1, [*FIRST, "ALTER TABLE a ADD COLUMN n int;"])
    tool.run()
    tool.write(2, [stamp("a", "s1"),
                   "ALTER TABLE a ADD CONSTRAINT c CHECK (n > 0) NOT VALID;"])
    tool.write(3, ["ALTER TABLE a VALIDATE CONSTRAINT c;", stamp("a", "s2")])
    command = sandbox.command("lint", tool.folder, "--format", "json")
    done = json.loads(sandbox.run(*command[1:], status=None).stdout)
    together = "validate-in-same-transaction" in {f["rule"] for f in done["findings"]}
    if tool.name not in ("sqitch", "graphile"):  # whose tables lint does not read
        assert len(done["files"]) == 2, "only what is pending"
    tool.run()
    assert (sandbox.sql("select s1 = s2 from a") == "t") == together
    assert together == (tool.name in ("drizzle0", "drizzle1"))


CONCURRENTLY = "CREATE INDEX CONCURRENTLY i ON a (id);"
CONTENTS = {
    "alone": ([CONCURRENTLY], False), "with another": ([CONCURRENTLY, stamp("a", "s1")], False),
    "alone, switched": ([CONCURRENTLY], True),
    "with another, switched": ([CONCURRENTLY, stamp("a", "s1")], True),
    "drop": (["DROP INDEX CONCURRENTLY a_old;", stamp("a", "s1")], False),
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("tool", OF_FILES, indirect=True)
def test_what_cannot_stand_in_a_transaction_fails_where_lint_says_so(sandbox, tool, content):
    statements, alone = CONTENTS[content]
    if alone and tool.name not in SWITCHED:
        pytest.skip("it has no switch for that")
    tool.write(1, [*FIRST, "CREATE INDEX a_old ON a (id);"])
    tool.run()
    tool.write(2, statements, alone)
    refused = any(finding["rule"] == "concurrently-in-transaction"
                  for finding in lint(sandbox, tool.folder)["findings"])
    try:
        tool.run()
        failed = False
    except AssertionError as error:
        # drizzle-kit 0.x overwrites the error with its spinner.
        assert tool.name == "drizzle0" or re.search("cannot (run|be executed)", str(error)), error
        failed = True
    assert failed == refused


def test_dbmate_and_lint_take_the_files_in_the_same_order(sandbox):
    """Names in which numbers and letters sort differently."""
    sandbox.server.sql(f"alter role {SUPERUSER} password 'x'")
    names = ["10_ten", "9_nine", "0100_hundred", "2_b", "20_a"]
    for number, name in enumerate(names):
        sandbox.write(f"db/migrations/{name}.sql", "-- migrate:up\nCREATE SEQUENCE IF NOT EXISTS n;\n"
                      f"CREATE TABLE t{number} AS SELECT nextval('n') AS at;\n-- migrate:down\n")
    said = [file["file"].split("/")[-1][:-4] for file in lint(sandbox, "db/migrations")["files"]]
    run_dbmate(sandbox, "up")
    ran = sorted(names, key=lambda name: int(sandbox.sql(f"select at from t{names.index(name)}")))
    assert said == ran
    assert [m["name"] for m in sandbox.json("migrate", "status")["migrations"]] == ran
