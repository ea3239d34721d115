"""Draws what clients say: frontend messages of every kind, in legal and in illegal order.

A Step is what one client sends in one go, and how to tell that all of its answers have come. The
generator knows nothing of the server's state: most of what it draws makes sense, the rest is
refused, and PostgreSQL says how.
"""

import random
import re
import struct
from dataclasses import dataclass

from tests.proxy import wire_client as wire
from tests.proxy.wire_client import (COPY_DONE, FLUSH, SYNC, bind, close, copy_data, copy_fail,
                                     describe, execute, parse, query)

NAMES = ("", "", "s0", "s1", "s2", "S 3")
PORTALS = ("", "", "", "c0", "c1")
SQL_NAMES = ("s0", "q0", "q1", '"S 3"', '"Q 2"')
PARAMETERS = ("work_mem", "search_path", "TimeZone", "application_name", "DateStyle",
              "statement_timeout", "extra_float_digits", "app.colour", "IntervalStyle")
VALUES = {"work_mem": ("'1MB'", "'64kB'", "'2MB'", "'nonsense'"),
          "search_path": ("public", "pg_catalog, public", "'a b', public", '"$user", public', "''"),
          "TimeZone": ("'UTC'", "'Europe/Berlin'", "'America/New_York'", "'Mars/North'"),
          "application_name": ("'one'", "'two three'", "''", "'it''s'"),
          "DateStyle": ("'ISO, DMY'", "'German'", "'SQL, MDY'", "'wrong'"),
          "statement_timeout": ("'1h'", "'2h'", "3600000", "-1"),
          "extra_float_digits": ("0", "1", "-3", "99"),
          "app.colour": ("'red'", "'blue'", "''"),
          "IntervalStyle": ("'iso_8601'", "postgres", "'none'")}
MARK = "the end of the step"
MARKS = 5  # nobody else closes that many portals in a row
INT4PL, TEXTLEN = 177, 1257


@dataclass
class Step:
    messages: list[bytes]
    readies: int = 0      # 0: the end is a row of closed portals of our own
    flushed: bool = False  # the end is such a row, or an error, and no ReadyForQuery
    says: str = ""        # for people


class Generator:
    def __init__(self, seed: int, client: int):
        self.random = random.Random(seed)
        self.client = client
        self.says: list[str] = []

    # --- Steps ---

    def step(self) -> Step:
        self.says = []
        kind = self.random.choices(("query", "batch", "copy", "chaos", "call"),
                                   (38, 38, 8, 13, 3))[0]
        step = getattr(self, f"draw_{kind}")()
        step.says = " ".join(self.says)
        return step

    def flush_step(self) -> Step:
        """Extended messages, a Flush, no Sync: the answers come, the transaction stays open."""
        self.says = []
        messages = [m for _ in range(self.random.randint(1, 3)) for m in self.draw_extended()]
        messages += [close("P", MARK)] * MARKS + [FLUSH]
        self.says.append("Flush")
        return Step(messages, flushed=True, says=" ".join(self.says))

    def end_step(self) -> Step:
        return Step([SYNC], readies=1, says="Sync")

    def draw_query(self) -> Step:
        return Step([self.say_query()], readies=1)

    def draw_batch(self) -> Step:
        messages, syncs = [], self.random.choice((1, 1, 1, 2, 3))
        for _ in range(syncs):
            for _ in range(self.random.randint(0, 4)):
                messages += self.draw_extended()
            messages.append(SYNC)
            self.says.append("Sync")
        return Step(messages, readies=syncs)

    def draw_call(self) -> Step:
        return Step([self.function_call()], readies=1)

    def draw_copy(self) -> Step:
        """COPY FROM STDIN, by either protocol, with good or bad data and any end."""
        sql = self.random.choice(("copy mine from stdin", "copy mine(i) from stdin",
                                  "select 1; copy mine(i) from stdin; select 2",
                                  "copy nowhere from stdin"))
        sql = self.own(sql)
        data = self.copied()
        if self.random.random() < 0.6:
            self.says.append(f"Query({sql}) + data")
            return self.marked([query(sql), *data])
        self.says.append(f"Parse({sql}) Bind Execute + data, Sync")
        sync_first = [SYNC] if self.random.random() < 0.2 else []
        return self.marked([parse("", sql), bind("", ""), execute(), *sync_first, *data, SYNC])

    def draw_chaos(self) -> Step:
        """Anything after anything."""
        messages = []
        for _ in range(self.random.randint(2, 9)):
            kind = self.random.randrange(12)
            if kind < 6:
                messages += self.draw_extended()
            elif kind < 8:
                messages.append(self.say_query())
            elif kind == 8:
                messages.append(self.random.choice((FLUSH, SYNC)))
                self.says.append("Flush|Sync")
            elif kind == 9:
                messages += self.copied()
            elif kind == 10:
                messages.append(self.function_call())
            else:
                self.says.append("Query(copy mine from stdin)")
                messages.append(query(self.own("copy mine(i) from stdin")))
        return self.marked(messages)

    def marked(self, messages: list[bytes]) -> Step:
        """CopyFail ends a COPY and is nothing elsewhere; Sync ends an error."""
        return Step([*messages, copy_fail("over"), SYNC, *[close("P", MARK)] * MARKS, SYNC])

    # --- Messages ---

    def draw_extended(self) -> list[bytes]:
        kind = self.random.randrange(20)
        if kind < 9:
            return self.draw_statement()
        name, portal = self.random.choice(NAMES), self.random.choice(PORTALS)
        if kind < 11:
            sql, count = self.extended_sql()
            self.says.append(f"Parse({name!r}, {sql})")
            return [self.parse(name, sql, count)]
        if kind < 14:
            values = self.values(self.random.choice((0, 0, 1, 2)))
            self.says.append(f"Bind({portal!r}, {name!r}, {values})")
            return [self.bind(portal, name, values)]
        if kind < 16:
            what = self.random.choice("SP")
            self.says.append(f"Describe({what}, {name if what == 'S' else portal!r})")
            return [describe(what, name if what == "S" else portal)]
        if kind < 18:
            rows = self.random.choice((0, 0, 1, 3))
            self.says.append(f"Execute({portal!r}, {rows})")
            return [execute(portal, rows)]
        what = self.random.choice("SSP")
        self.says.append(f"Close({what}, {name if what == 'S' else portal!r})")
        return [close(what, name if what == "S" else portal)]

    def draw_statement(self) -> list[bytes]:
        """Parse, Bind, Execute as a driver sends them; parts are left out now and then."""
        name, portal = self.random.choice(NAMES), self.random.choice(PORTALS)
        sql, count = self.extended_sql()
        values = self.values(count)
        chance = self.random.random
        messages = []
        if not name or chance() < 0.5:
            if name and chance() < 0.6:
                messages.append(close("S", name))
            messages.append(self.parse(name, sql, count))
        if chance() < 0.3:
            messages.append(describe("S", name))
        messages.append(self.bind(portal, name, values))
        if chance() < 0.5:
            messages.append(describe("P", portal))
        rows = self.random.choice((0, 0, 0, 2))
        messages += [execute(portal, rows)] * self.random.choice((1, 1, 1, 2))
        self.says.append(f"[{name!r}/{portal!r}: {sql} {values} rows {rows}: "
                         f"{''.join(chr(one[0]) for one in messages)}]")
        return messages

    def parse(self, name: str, sql: str, count: int) -> bytes:
        if self.random.random() < 0.7 or not count:
            return parse(name, sql)
        oids = struct.pack("!h", 1) + struct.pack("!i", self.random.choice((23, 25, 1043)))
        return wire.message("P", wire.text(name) + wire.text(sql) + oids)

    def bind(self, portal: str, name: str, values: list) -> bytes:
        if self.random.random() < 0.8 and None not in values:
            return bind(portal, name, *values)
        body = wire.text(portal) + wire.text(name) + b"\0\0" + struct.pack("!h", len(values))
        for value in values:
            raw = b"" if value is None else value.encode()
            body += struct.pack("!i", -1 if value is None else len(raw)) + raw
        formats = self.random.choice((b"\0\0", b"\0\1\0\1", b"\0\1\0\0", b"\0\2\0\0\0\1"))
        return wire.message("B", body + formats)

    def values(self, count: int) -> list:
        return [self.random.choice(("1", "2", "17", "red", None, "", "x" * 300))
                for _ in range(count)]

    def function_call(self) -> bytes:
        oid, values = self.random.choice(((INT4PL, (b"2", b"3")), (INT4PL, (b"x", b"1")),
                                          (TEXTLEN, (b"abcdef",)), (4_000_000_000, ())))
        body = struct.pack("!Ihh", oid, 0, len(values))
        for value in values:
            body += struct.pack("!i", len(value)) + value
        self.says.append(f"FunctionCall({oid}, {values})")
        return wire.message("F", body + struct.pack("!h", 0))

    def copied(self) -> list[bytes]:
        pieces = [copy_data(self.random.choice((b"1\n", b"2\n3\n", b"4\t5\n", b"x\n", b"7", b"\n")))
                  for _ in range(self.random.randint(0, 3))]
        end = self.random.choice(([COPY_DONE], [COPY_DONE], [copy_fail("no")], []))
        self.says.append(f"{len(pieces)} CopyData, {'CopyDone' if end == [COPY_DONE] else end}")
        return pieces + end

    # --- SQL ---

    def say_query(self) -> bytes:
        count = self.random.choice((0, 1, 1, 1, 1, 1, 2, 3))
        sql = "; ".join(self.sql() for _ in range(count))
        self.says.append(f"Query({sql})")
        return query(sql)

    def extended_sql(self) -> tuple[str, int]:
        """A statement and how many parameters it takes."""
        with_parameters = (("select $1::text", 1), ("select $1::int + 1", 1),
                           ("select $1, $2::int", 2), ("insert into mine values ($1::int)", 1),
                           ("select i from numbers where i < $1 order by i", 1),
                           ("select set_config('work_mem', $1, false)", 1),
                           ("update mine set i = i + 1 where i = $1", 1))
        if self.random.random() < 0.55:
            sql, count = self.random.choice(with_parameters)
            return self.own(sql), count
        return self.sql(), 0

    def own(self, sql: str) -> str:
        """Tables that are written to are one client's own: nobody waits for a lock."""
        return re.sub(r"\b(mine|extra)\b", rf"\g<1>{self.client}", sql)

    def sql(self) -> str:
        return self.own(self.draw_sql())

    def draw_sql(self) -> str:
        draw = self.random.random()
        if draw < 0.45:
            return self.plain_sql()
        if draw < 0.62:
            return self.random.choice(
                ("begin", "begin", "begin", "commit", "commit", "rollback", "savepoint a",
                 "rollback to a", "release a", "begin isolation level serializable read only",
                 "commit and chain", "start transaction", "end", "abort"))
        if draw < 0.80:
            return self.setting_sql()
        if draw < 0.92:
            return self.prepared_sql()
        return self.state_sql()

    def plain_sql(self) -> str:
        number = self.random.randrange(1000)
        return self.random.choice((
            f"select {number}", f"select {number}::text as x, 'a;b' as y", "select 1/0",
            "select i from numbers order by i", "select * from nowhere", "selec", "",
            f"insert into mine values ({number})", f"insert into mine values ({number}) returning i",
            "delete from mine", "select count(*) from mine", "table numbers",
            f"update mine set i = i + {number}", "select repeat('x', 20000)",
            "copy (select i from numbers order by i) to stdout", "copy nowhere to stdout",
            "do $$ begin raise notice 'hello'; end $$", "do $$ begin raise exception 'bad'; end $$",
            "explain (costs off) select * from numbers", "values (1, 'a'), (2, 'b')",
            "select 1 where false", "create table if not exists extra(i int)",
            "drop table if exists extra", "select $1", "/* only a comment */",
            "select 'it''s' /* ; */ -- ;\n", "with w as (insert into mine values (1) returning i) "
            "select * from w", "select now() = now(), current_user", "select generate_series(1, 5)",
            "alter table mine add column if not exists j int",
            "alter table mine drop column if exists j"))

    def setting_sql(self) -> str:
        name = self.random.choice(PARAMETERS)
        value = self.random.choice(VALUES[name])
        quoted = value if value.startswith("'") else "'" + value + "'"
        return self.random.choice((
            f"set {name} = {value}", f"set {name} to {value}", f"set local {name} = {value}",
            f"set session {name} to {value}", f"reset {name}", f"show {name}", f"show {name}",
            f"set {name} to default", f"select set_config('{name}', {quoted}, false)",
            f"select current_setting('{name}', true)", "reset all", "show work_mem",
            f"select set_config('{name}', {quoted}, true)", "select current_schemas(false)",
            "set role nobody_at_all", "show role", "set transaction read only",
            "set session characteristics as transaction read only",
            "set session characteristics as transaction read write",
            "set role other_role", "reset role", "set time zone 'UTC'", "show all_of_it"))

    def prepared_sql(self) -> str:
        name = self.random.choice(SQL_NAMES)
        number = self.random.randrange(100)
        return self.random.choice((
            f"prepare {name} as select {number}", f"prepare {name}(int) as select $1 + {number}",
            f"prepare {name} as selec", f"prepare {name} as insert into mine values ({number})",
            f"execute {name}", f"execute {name}(1)", f"execute {name}", f"execute {name}(2)",
            f"deallocate {name}", f"deallocate prepare {name}", "deallocate all", "discard all",
            f"explain (costs off) execute {name}", "discard plans"))

    def state_sql(self) -> str:
        """What ties a client to its server."""
        return self.random.choice((
            "create temp table t(i int)", "create temp table t(i int) on commit drop",
            "select count(*) from pg_temp.t", "insert into t values (1)", "drop table if exists t",
            "discard temp", "select pg_try_advisory_lock_shared(7)",
            "select pg_advisory_unlock_shared(7)", "select pg_advisory_unlock_all()",
            "declare h cursor with hold for select i from numbers order by i",
            "declare n cursor for select i from numbers order by i", "fetch 2 from h",
            "fetch 2 from n", "close h", "close all", "unlisten *",
            "select nextval('counter') > 0", "discard sequences",
            "discard all", "create function pg_temp.f() returns int language sql as 'select 1'"))
