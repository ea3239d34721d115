"""What howdah analyze says of indexes, held against PostgreSQL's planner on PantryCRM.

enable_seqscan off asks the planner whether an index can serve at all, whatever the table's size: where
analyze says that none does, the plan must read every row all the same; where it says nothing, the
plan must have an index condition. The index that a finding proposes is made, and must be used.
"""

import json
import re

import psycopg
import pytest

from tests.analyze.test_analyze import Folder
from tools.pgcluster import SUPERUSER

ABOUT_INDEXES = {"missing-index", "full-scan", "non-sargable", "implicit-cast", "leading-wildcard"}
# Database, collation: C.UTF-8 sorts by code points, but only C itself lets a plain index serve LIKE.
COLLATIONS = {"pantry_utf8": "C.UTF-8", "pantry_c": "C"}
EXTRA = "create index contacts_last_name on contacts (last_name);" \
        "create index contacts_phone on contacts (phone text_pattern_ops);" \
        "create index leads_company on leads using hash (company);" \
        "create index leads_score on leads (score);"

# A statement, the table whose access counts, whether an index serves it: yes, no, or in C alone.
STATEMENTS = [
    ("select id from interactions where user_id = 7 limit 50", "interactions", "no"),
    ("select id from interactions where contact_id = 7 limit 50", "interactions", "no"),
    ("select id from interactions where organization_id = 7 limit 50", "interactions", "yes"),
    ("select id from interactions where organization_id = 7 and minutes > 10 limit 50",
     "interactions", "yes"),
    ("select id from interactions where happened_at > now() - interval '1 day' limit 50",
     "interactions", "no"),
    ("select id from interactions where organization_id in (1, 2, 3) and happened_at > now() limit 9",
     "interactions", "yes"),
    ("select id from interactions where kind = 'CALL' limit 50", "interactions", "no"),
    ("select id from interactions where subject like '%wine%' limit 50", "interactions", "no"),
    ("select id from interactions where date(happened_at) = '2025-01-01' limit 50",
     "interactions", "no"),
    ("select id from interactions where organization_id = 7.5 limit 50", "interactions", "no"),
    ("select id from interactions where organization_id + 1 = 7 limit 50", "interactions", "no"),
    ("select id from interactions where kind <> 'CALL'", "interactions", "no"),
    ("select id from interactions where id between 5 and 9", "interactions", "yes"),
    ("select id from interactions where id = any('{1,2,3}')", "interactions", "yes"),
    ("select i.id from interactions i join contacts c on c.id = i.contact_id where c.id = 9 limit 20",
     "interactions", "no"),
    ("select i.id from interactions i join organizations o on o.id = i.organization_id "
     "where o.id = 9 limit 20", "interactions", "yes"),
    ("update interactions set minutes = 1 where user_id = 3", "interactions", "no"),
    ("delete from interactions where contact_id = 3", "interactions", "no"),
    ("select id from leads where owner_id = 3 limit 50", "leads", "yes"),
    ("select id from leads where status = 'LOST' limit 50", "leads", "no"),
    ("select id from leads where organization_id = 3 limit 50", "leads", "no"),
    ("select id from leads where company = 'x' limit 50", "leads", "yes"),
    ("select id from leads where company > 'x' limit 50", "leads", "no"),
    ("select id from leads where company like 'Bis%' limit 50", "leads", "no"),
    ("select id from leads where email is null limit 50", "leads", "no"),
    ("select id from leads where owner_id = 3 or id = 7 limit 50", "leads", "yes"),
    ("select id from leads where score = 42 limit 50", "leads", "yes"),
    ("select id from leads where score >= 90 and status = 'NEW' limit 50", "leads", "yes"),
    ("select id from contacts where lower(email) = 'a@b.example' limit 50", "contacts", "yes"),
    ("select id from contacts where email = 'a@b.example' limit 50", "contacts", "no"),
    ("select id from contacts where upper(email) = 'A@B.EXAMPLE' limit 50", "contacts", "no"),
    ("select id from contacts where last_name = 'Meyer' limit 50", "contacts", "yes"),
    ("select id from contacts where last_name like 'Mey%' limit 50", "contacts", "in C"),
    ("select id from contacts where last_name ~ '^Mey' limit 50", "contacts", "in C"),
    ("select id from contacts where last_name ilike 'mey%' limit 50", "contacts", "no"),
    ("select id from contacts where last_name like '%yer' limit 50", "contacts", "no"),
    ("select id from contacts where phone like '+49%' limit 50", "contacts", "yes"),
    ("select id from contacts where first_name like 'An%' limit 50", "contacts", "no"),
    ("select id from contacts where coalesce(last_name, '') = 'x' limit 50", "contacts", "no"),
    ("select id from contacts where position is not null", "contacts", "no"),
    ("select id from opportunities where lead_id = 5", "opportunities", "yes"),
    ("select id from opportunities where owner_id = 5 limit 50", "opportunities", "no"),
    ("select id from opportunities where amount > 1000 limit 50", "opportunities", "no"),
    ("select id from organizations where tags @> '{vip}' limit 50", "organizations", "yes"),
    ("select id from organizations where segment = 'HOTEL' and priority = 'A' limit 50",
     "organizations", "yes"),
    ("select id from organizations where priority = 'A' and city = 'Graz' limit 50",
     "organizations", "no"),
    ("select id from organizations where details ->> 'seats' = '5' limit 50", "organizations", "no"),
    ("select id from organizations where id::text = '5' limit 50", "organizations", "no"),
]
# An order that an index gives, or a sort.
ORDERS = [
    ("select id from leads order by score limit 10", True),
    ("select id from leads order by company limit 10", False),
    ("select id from contacts order by last_name limit 10", True),
    ("select id from contacts order by phone limit 10", False),
    ("select id from interactions order by happened_at desc limit 10", False),
    ("select id from interactions order by id desc limit 10", True),
]


@pytest.fixture(scope="module", params=COLLATIONS)
def pantry(request, cluster, tmp_path_factory):
    """PantryCRM under a collation, with a few indexes more; what analyze finds in all statements."""
    name = request.param
    primary = cluster.primary
    primary.sql(f"create database {name} template template0 lc_collate '{COLLATIONS[name]}' "
                f"lc_ctype '{COLLATIONS[name]}'")
    from tests.conftest import PANTRY
    primary.file(PANTRY / "schema.sql", name)
    primary.file(PANTRY / "data.sql", name, {"scale": "1", "seed": "1"})
    primary.sql(EXTRA + "analyze", name)
    uri = f"postgresql://{SUPERUSER}@/{name}?host={cluster.sockets}&port={primary.port}"
    folder = Folder(tmp_path_factory.mktemp(name))
    folder.write("q.sql", "".join(f"{text};\n" for text in [s[0] for s in STATEMENTS]
                                  + [s[0] for s in ORDERS]))
    found: dict[int, list] = {}
    for finding in folder.findings("q.sql", "--database", uri):
        found.setdefault(finding["line"], []).append(finding)
    with psycopg.connect(uri, autocommit=True) as connection:
        yield name, connection, found
    primary.sql(f"drop database {name} with (force)")


def nodes(plan: dict):
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def explain(connection, statement: str, **settings) -> list:
    connection.execute("reset all")
    for setting, value in settings.items():
        connection.execute(f"set {setting} = {value}")
    document = connection.execute(f"explain (format json) {statement}").fetchone()[0]
    return list(nodes((document if isinstance(document, list) else json.loads(document))[0]["Plan"]))


def leading_key(connection, index: str) -> str:
    return connection.execute("select pg_get_indexdef(to_regclass(%s), 1, true)", [index]).fetchone()[0]


def uses_index(connection, plan: list, table: str) -> bool:
    """Some node narrows the table by the first key of an index (of a bitmap, its index node does).
    A condition on a later key alone reads the whole index: no better than the table."""
    reads = [node for node in plan if node.get("Relation Name") == table
             and node["Node Type"] != "ModifyTable"]
    if any(node["Node Type"] == "Bitmap Heap Scan" for node in reads):
        reads = [node for node in plan if node["Node Type"] == "Bitmap Index Scan"]
    return any(leading_key(connection, node["Index Name"]) in node["Index Cond"]
               for node in reads if "Index Cond" in node)


def about_indexes(findings: list) -> list:
    return [finding for finding in findings if finding["rule"] in ABOUT_INDEXES]


@pytest.mark.parametrize("number", range(len(STATEMENTS)))
def test_an_index_serves_or_not(pantry, number):
    name, connection, found = pantry
    statement, table, served = STATEMENTS[number]
    expected = served == "yes" or (served == "in C" and name == "pantry_c")
    can = uses_index(connection, explain(connection, statement, enable_seqscan="off"), table)
    said = about_indexes(found.get(number + 1, []))
    assert can == expected, f"the planner: {statement}"
    assert bool(said) != can, f"{statement}: {[f['message'] for f in said]}"


@pytest.mark.parametrize("number", range(len(ORDERS)))
def test_an_index_gives_the_order_or_not(pantry, number):
    _, connection, found = pantry
    statement, ordered = ORDERS[number]
    plan = explain(connection, statement, enable_seqscan="off")
    assert all(node["Node Type"] != "Sort" for node in plan) == ordered
    assert bool(about_indexes(found.get(len(STATEMENTS) + number + 1, []))) != ordered


def test_the_index_that_is_proposed_is_used(pantry):
    """Each `create index` of a fix, alone: then the planner takes it, small tables or not."""
    _, connection, found = pantry
    statements = STATEMENTS + [(text, "", "") for text, _ in ORDERS]
    tried = 0
    for line, findings in sorted(found.items()):
        statement, table, _ = statements[line - 1]
        for finding in about_indexes(findings):
            fix = re.match(r"create index concurrently on [^;]*;$", finding["fix"])
            if finding["rule"] != "missing-index" or fix is None:
                continue
            tried += 1
            connection.execute("reset all")
            connection.execute("begin")
            connection.execute(finding["fix"].replace(" concurrently", "", 1))
            plan = connection.execute("set local enable_seqscan = off").connection.execute(
                f"explain (format json) {statement}").fetchone()[0][0]["Plan"]
            if table:
                assert uses_index(connection, list(nodes(plan)), table), (statement, finding["fix"])
            else:
                assert all(node["Node Type"] != "Sort" for node in nodes(plan)), statement
            connection.execute("rollback")
    assert tried > 15
