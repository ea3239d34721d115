"""What real mappers send through howdah: loops are found, joins and includes are not.

No application names its mapper: the fix's words come from how the SQL looks.
"""

import subprocess
from pathlib import Path

import pytest

from tests.observe.test_http import running, server_of
from tools import node, process, proxy, shell

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


def check(watched, name: str, command: list, *, good: list[str], bad: list[str], fix: str) -> None:
    """The good ways go first: when a later loop is found, what they had to show is known too."""
    for way in (*good, *bad):
        run(watched, command, way, f"{name}-{way}")
    for way in bad:
        application = f"{name}-{way}"
        process.wait_until(lambda a=application: findings(watched, a), PATIENCE, application)
        [found] = findings(watched, application)
        assert found["confidence"] == "certain", found
        assert "contacts" in found["message"] and "organization_id" in found["message"]
        assert fix in found["fix"], found["fix"]
        assert found["count"] >= 3
    for way in good:
        assert findings(watched, f"{name}-{way}") == []


def node_program(name: str) -> list:
    try:
        return ["node", node.bundle() / f"loop_{name}_client.mjs"]
    except shell.Failed as error:
        pytest.fail(f"{name} cannot start: {error}; {error.rerun}")


def test_drizzle(watched):
    check(watched, "shop", node_program("drizzle"), good=["joined"], bad=["loop", "parallel"],
          fix="inArray")


def test_prisma(watched):
    check(watched, "store", node_program("prisma"), good=["joined"], bad=["loop", "parallel"],
          fix="include")


def test_sqlalchemy(watched):
    check(watched, "market", ["/usr/bin/python3", "-B", HERE / "orm_sqlalchemy.py"],
          good=["joined", "selectin"], bad=["lazy"], fix="selectinload")
