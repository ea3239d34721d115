"""Drizzle 0.x and 1.0 and Prisma from npm, before and after howdah: either goes on where the other
stopped, and what howdah writes is what they write."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.migrate.harness import NODE_SOURCES, Sandbox, copy_tool, npm_place
from tools import process
from tools.pgcluster import SUPERUSER

SCHEMA_TS = """
import { pgTable, serial, text, integer } from 'drizzle-orm/pg-core';
export const users = pgTable('users', { id: serial('id').primaryKey(), name: text('name') });
export const orders = pgTable('orders', { id: serial('id').primaryKey(),
  userId: integer('user_id').references(() => users.id) });
"""
DRIZZLE_CONFIG = """
import { defineConfig } from 'drizzle-kit';
export default defineConfig({ dialect: 'postgresql', schema: './schema.ts', out: './drizzle',
  dbCredentials: { url: process.env.DATABASE_URL } });
"""
PRISMA_CONFIG = """
import { defineConfig } from 'prisma/config';
import { PrismaPg } from '@prisma/adapter-pg';
export default defineConfig({ experimental: { adapter: true }, engine: 'js',
  schema: 'prisma/schema.prisma',
  async adapter() { return new PrismaPg({ connectionString: process.env.DATABASE_URL,
    allowExitOnIdle: true }); } });
"""
PRISMA_SCHEMA = """
datasource db {
  provider = "postgresql"
  url      = env("DATABASE_URL")
}
model User {
  id   Int @id @default(autoincrement())
  name String?
}
"""


class Host:
    """One tool in one project folder."""

    table = ""
    rows = ""  # what must be the same whoever wrote it

    def __init__(self, sandbox: Sandbox):
        self.box = sandbox
        port = sandbox.server.port
        self.url = f"postgresql://{SUPERUSER}:x@127.0.0.1:{port}/{sandbox.name}"

    def node(self, script: str, *arguments: str, status: int | None = 0) -> str:
        env = {**process.clean_environment(), "DATABASE_URL": self.url, **self.environment()}
        done = subprocess.run(["node", Path("node_modules") / script, *arguments], env=env,
                              cwd=self.box.folder, text=True, capture_output=True, timeout=120,
                              stdin=subprocess.DEVNULL)
        text = done.stdout + done.stderr
        assert status is None or done.returncode == status, text
        return text

    def environment(self) -> dict:
        return {}

    def history(self, database: str = "") -> str:
        return self.box.server.sql(self.rows, database or self.box.name)

    def files(self) -> list[Path]:
        return sorted(self.box.folder.glob(self.pattern))


class Drizzle0(Host):
    tool, table, pattern = "drizzle0", "drizzle.__drizzle_migrations", "drizzle/*.sql"
    rows = f"select id, hash, created_at from {table} order by id"

    def prepare(self):
        copy_tool(self.tool, self.box.folder)
        self.box.write("schema.ts", SCHEMA_TS)
        self.box.write("drizzle.config.ts", DRIZZLE_CONFIG)
        self.node("drizzle-kit/bin.cjs", "generate", "--name", "init")

    def generate(self, name: str, sql: str):
        self.node("drizzle-kit/bin.cjs", "generate", "--custom", "--name", name)
        next(f for f in self.files() if name in str(f.relative_to(self.box.folder))).write_text(sql)

    def migrate(self):
        self.node("drizzle-kit/bin.cjs", "migrate")


class Drizzle1(Drizzle0):
    tool, pattern = "drizzle1", "drizzle/*/migration.sql"
    rows = f"select id, hash, created_at, name from {Drizzle0.table} order by id"


class Prisma(Host):
    tool, table, pattern = "prisma", "_prisma_migrations", "prisma/migrations/*/migration.sql"
    rows = (f"select migration_name, checksum, finished_at is not null, logs, rolled_back_at, "
            f"applied_steps_count from {table} order by started_at")

    def environment(self):
        # Both name an engine that is never run: the engine used is the one in WebAssembly.
        return {"PRISMA_SCHEMA_ENGINE_BINARY": "/bin/true",
                "PRISMA_QUERY_ENGINE_LIBRARY": "/bin/true", "CHECKPOINT_DISABLE": "1",
                "PRISMA_HIDE_UPDATE_MESSAGE": "1",
                "NODE_OPTIONS": f"--import {NODE_SOURCES / 'prisma' / 'unref.mjs'}"}

    def prepare(self):
        copy_tool(self.tool, self.box.folder)
        self.box.write("prisma/schema.prisma", PRISMA_SCHEMA)
        self.box.write("prisma.config.ts", PRISMA_CONFIG)
        self.box.write("prisma/migrations/migration_lock.toml", 'provider = "postgresql"\n')
        self.generate("init", 'CREATE TABLE users (id serial primary key, name text);\n')

    def generate(self, name: str, sql: str):
        number = len(self.files()) + 1
        self.box.write(f"prisma/migrations/2024010{number}000000_{name}/migration.sql", sql)

    def migrate(self, status: int | None = 0):
        return self.node("prisma/build/index.js", "migrate", "deploy", status=status)


@pytest.fixture(params=[Drizzle0, Drizzle1, Prisma], ids=lambda h: h.tool)
def host(request, sandbox):
    sandbox.server.sql(f"alter role {SUPERUSER} password 'x'")
    one = request.param(sandbox)
    one.prepare()
    return one


SECOND = "ALTER TABLE users ADD COLUMN email text;\n--> statement-breakpoint\n" \
         "CREATE TABLE notes (id int primary key, body text);\n"
THIRD = "CREATE INDEX users_email_idx ON users (email);\n"
FOURTH = "ALTER TABLE notes ADD COLUMN done boolean;\n"


def test_they_begin_howdah_goes_on_they_go_on(host):
    box = host.box
    host.migrate()
    host.generate("second", SECOND)
    assert "1 migration applied" in box.up().stdout
    host.migrate()  # finds nothing to do
    host.generate("third", THIRD)
    host.migrate()
    host.generate("fourth", FOURTH)
    box.up()
    status = box.json("migrate", "status")
    assert (status["applied"], status["pending"], status["findings"]) == (4, 0, [])
    assert box.sql("select count(*) from information_schema.columns where table_name = 'notes'") == "3"


def test_howdah_begins_they_go_on(host):
    box = host.box
    box.up()
    host.generate("second", SECOND)
    host.migrate()
    host.generate("third", THIRD)
    box.up()
    assert box.json("migrate", "status")["applied"] == 3


def test_what_howdah_writes_is_what_they_write(host, cluster):
    box = host.box
    host.generate("second", SECOND)
    host.generate("third", "")
    host.migrate()
    theirs, their_dump = host.history(), box.dump()
    box.recreate()
    box.up()
    assert host.history() == theirs
    assert box.dump() == their_dump


def test_new_migration_is_one_of_theirs(host):
    box = host.box
    host.migrate()
    box.run("migrate", "new", "by howdah")
    box.up()
    host.migrate()
    if host.tool.startswith("drizzle"):
        text = box.write("schema.ts", SCHEMA_TS.replace("text('name')", "text('nick')")) and \
            host.node("drizzle-kit/bin.cjs", "generate", "--name", "after", status=None)
        assert "collision" not in text.lower() and "malformed" not in text.lower()
    host.generate("later", "CREATE TABLE later (id int);\n")
    host.migrate()
    assert box.sql("select to_regclass('later')") == "later"


def test_down_is_understood_by_them(host):
    box = host.box
    host.migrate()
    before = box.dump()
    host.generate("second", SECOND)
    box.up()
    box.run("migrate", "down")
    assert box.dump() == before
    host.migrate()  # runs it again
    assert box.sql("select to_regclass('notes')") == "notes"


def test_edited_file_is_reported(host):
    box = host.box
    host.migrate()
    file = host.files()[0]
    file.write_text(file.read_text() + "-- edited\n")
    status = box.json("migrate", "status")
    assert [m["edited"] for m in status["migrations"]] == [True]
    assert [f["rule"] for f in status["findings"]] == ["edited-after-apply"]


def test_drizzle_late_merge_stops_then_runs(sandbox):
    sandbox.server.sql(f"alter role {SUPERUSER} password 'x'")
    host = Drizzle0(sandbox)
    host.prepare()
    host.migrate()
    host.generate("late", "CREATE TABLE late (id int);\n")
    journal = sandbox.folder / "drizzle/meta/_journal.json"
    entries = json.loads(journal.read_text())
    entries["entries"][1]["when"] = entries["entries"][0]["when"] - 1000
    journal.write_text(json.dumps(entries))
    host.migrate()  # exit 0, and the table is not there: the bug that this guards against
    assert sandbox.sql("select to_regclass('late')") == ""
    refused = sandbox.up(status=1)
    assert "skipped-migration" in refused.stdout and "0001_late" in refused.stdout
    sandbox.up("--skipped", "run")
    assert sandbox.sql("select to_regclass('late')") == "late"
    assert sandbox.json("migrate", "status")["pending"] == 0


def test_drizzle_runs_the_same_text_twice(sandbox):
    """Two entries with one text, a refresh say: the row of the first says nothing of the second."""
    same = "update t set n = n + 1;\n"
    for number, text in enumerate(("create table t (n int);\ninsert into t values (0);\n", same, same)):
        sandbox.write(f"drizzle/000{number}_x.sql", text)
    entries = [{"idx": n, "version": "7", "when": 1000 * (n + 1), "tag": f"000{n}_x", "breakpoints": True}
               for n in range(3)]
    journal = {"version": "7", "dialect": "postgresql", "entries": entries[:2]}
    sandbox.write("drizzle/meta/_journal.json", json.dumps(journal))
    sandbox.up()
    assert sandbox.sql("select n from t") == "1"
    sandbox.write("drizzle/meta/_journal.json", json.dumps({**journal, "entries": entries}))
    sandbox.up()
    assert sandbox.sql("select n from t") == "2"
    assert sandbox.sql("select count(*) from drizzle.__drizzle_migrations") == "3"


def test_drizzle_table_of_0x_is_upgraded_as_they_do(sandbox):
    sandbox.server.sql(f"alter role {SUPERUSER} password 'x'")
    host = Drizzle1(sandbox)
    host.prepare()
    host.migrate()
    expected = host.history()
    sandbox.sql(f"alter table {host.table} drop column name, drop column applied_at")
    sandbox.up()
    assert host.history() == expected
    assert sandbox.sql(f"select count(*) from {host.table} where applied_at is null") == "1"


def test_prisma_failed_migration_is_settled_by_repair(sandbox):
    sandbox.server.sql(f"alter role {SUPERUSER} password 'x'")
    host = Prisma(sandbox)
    host.prepare()
    host.generate("broken", "CREATE TABLE half (id int);\nSELECT 1/0;\n")
    assert "division by zero" in host.migrate(status=1)
    refused = sandbox.up(status=1)
    assert "P3009" in refused.stdout
    assert "--rolled-back 20240102000000_broken" in sandbox.run("migrate", "repair").stdout
    sandbox.sql("drop table if exists half")
    sandbox.run("migrate", "repair", "--rolled-back", "20240102000000_broken")
    host.files()[1].write_text("CREATE TABLE half (id int);\n")
    sandbox.up()
    assert "No pending migrations" in host.migrate()


def test_prisma_baseline(sandbox):
    sandbox.server.sql(f"alter role {SUPERUSER} password 'x'")
    host = Prisma(sandbox)
    host.prepare()
    sandbox.sql("create table users (id serial primary key, name text)")
    assert "P3005" in sandbox.up(status=2).stderr
    sandbox.run("migrate", "repair", "--baseline", "20240101000000_init")
    assert "No pending migrations" in host.migrate()
    assert "0 migrations applied" in sandbox.up().stdout


def test_failure_in_our_hands_does_not_block_prisma(sandbox):
    """A file that is one transaction leaves nothing behind, so there is nothing to be resolved."""
    sandbox.server.sql(f"alter role {SUPERUSER} password 'x'")
    host = Prisma(sandbox)
    host.prepare()
    host.generate("broken", "CREATE TABLE half (id int);\nSELECT 1/0;\n")
    failed = sandbox.up(status=1)
    assert "line 2" in failed.stderr and "22012" in failed.stderr
    assert sandbox.sql("select to_regclass('half')") == ""
    host.files()[1].write_text("CREATE TABLE half (id int);\n")
    assert "successfully applied" in host.migrate()


def test_npm_lock_files_name_no_registry():
    for tool in ("drizzle0", "drizzle1", "prisma", "dbmate"):
        text = (npm_place(tool) / "package-lock.json").read_text()
        assert '"resolved": "http' not in text and "registry" not in text
        assert os.path.exists(npm_place(tool) / "node_modules")
