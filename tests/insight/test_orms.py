"""What real mappers send through howdah: loops are found, joins and includes are not.

No application names its mapper: the fix's words come from how the SQL looks.
"""

import subprocess
from pathlib import Path

import pytest

from tests.observe.test_http import running, server_of
from tools import node, process, proxy, shell
from tools.shell import BUILD

HERE = Path(__file__).parent
PATIENCE = 45

pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer has no insight")


@pytest.fixture(scope="module")
def watched(run_folder, cluster, new_database):
    database = new_database("loops")
    with running(Path(run_folder) / "loops", {database: server_of(cluster)},
                 pool_mode="transaction") as one:
        one.database = database
        yield one


def run(watched, command: list, way: str, application: str) -> None:
    uri = watched.proxy.uri(watched.database)
    uri += f"{'&' if '?' in uri else '?'}application_name={application}"
    done = subprocess.run([*map(str, command), way], capture_output=True, text=True, timeout=120,
                          env={**process.clean_environment(), "DATABASE_URL": uri})
    assert done.returncode == 0, done.stderr


def findings(watched, application: str, rule: str = "n-plus-one") -> list[dict]:
    return watched.get(f"/api/findings?rule={rule}&application={application}").json()["findings"]


def hibernate_program() -> list:
    """Javassist makes proxies by a door that Java has closed since 16."""
    jars = ("hibernate3", "hibernate-commons-annotations", "geronimo-jpa_2.0_spec",
            "geronimo-jta-1.2-spec", "dom4j", "antlr", "commons-collections3", "javassist",
            "slf4j-api", "slf4j-nop", "postgresql")
    place = BUILD / "clients" / "hibernate"
    place.mkdir(parents=True, exist_ok=True)
    path = ":".join([str(place), *(f"/usr/share/java/{jar}.jar" for jar in jars)])
    shell.run(["javac", "-Xlint:all", "-Werror", "-cp", path, "-d", place,
               HERE / "HibernateLoop.java"])
    return ["java", "-XX:TieredStopAtLevel=1", "--add-opens", "java.base/java.lang=ALL-UNNAMED",
            "-cp", path, "HibernateLoop"]


def check(watched, name: str, command: list, *, good: list[str], bad: dict[str, str]) -> None:
    """`bad` says which words each loop's fix has. The good ways go first: when a later loop is
    found, what they had to show is known too."""
    for way in (*good, *bad):
        run(watched, command, way, f"{name}-{way}")
    for way, fix in bad.items():
        application = f"{name}-{way}"
        process.wait_until(lambda a=application: findings(watched, a), PATIENCE, application)
        [found] = findings(watched, application)
        assert found["confidence"] == "certain", found
        assert "contacts" in found["message"] and "organization_id" in found["message"]
        assert fix in found["fix"], found["fix"]
        assert len(set(found["statements"])) == 2  # parent and child, not a chance within the child
        assert found["count"] >= 3
    for way in good:
        assert findings(watched, f"{name}-{way}") == []


def node_program(name: str) -> list:
    try:
        return ["node", node.bundle() / f"loop_{name}_client.mjs"]
    except shell.Failed as error:
        pytest.fail(f"{name} cannot start: {error}; {error.rerun}")


def test_drizzle(watched):
    check(watched, "shop", node_program("drizzle"), good=["joined"],
          bad={"loop": "inArray", "parallel": "inArray"})


def test_prisma(watched):
    check(watched, "store", node_program("prisma"), good=["joined"],
          bad={"loop": "include", "parallel": "include"})


def test_sqlalchemy(watched):
    check(watched, "market", ["/usr/bin/python3", "-B", HERE / "orm_sqlalchemy.py"],
          good=["joined", "selectin"], bad={"lazy": "selectinload"})


def test_django(watched):
    check(watched, "bazaar", ["/usr/bin/python3", "-B", HERE / "orm_django.py"],
          good=["prefetch", "select"],
          bad={"lazy": ".prefetch_related(", "lazy_parent": '.select_related("organization")'})


def test_active_record(watched):
    check(watched, "stall", ["ruby", HERE / "orm_active_record.rb"],
          good=["includes", "eager_load", "includes_parent"],
          bad={"lazy": ".includes(:contacts)", "lazy_parent": "organizations with the rows"})


def test_hibernate(watched):
    check(watched, "kiosk", hibernate_program(), good=["fetch", "fetch_parent"],
          bad={"lazy": "JOIN FETCH", "lazy_parent": "@BatchSize on the entity"})
