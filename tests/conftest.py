"""What every test under tests/ can ask for: a PostgreSQL of our own, and howdah in front of it."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from tools import process, proxy, sanitizer
from tools.pgcluster import FAST, Cluster
from tools.shell import BUILD, ROOT

PANTRY = ROOT / "examples" / "pantrycrm"
USER, PASSWORD = "app", "app-secret"
TEMPLATE = "pantry_template"
REPORTS = pytest.StashKey[Path]()


def sweep(prefix: str) -> None:
    """Removes folders of test runs that were killed."""
    for path in BUILD.glob(f"{prefix}-*"):
        pid = path.name.rsplit("-", 1)[-1]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(path.resolve(), ignore_errors=True)
            path.is_symlink() and path.unlink()


def pytest_configure(config):
    """Every howdah that a test starts, by whatever way, leaves a sanitizer's reports in one folder."""
    sweep("test-reports")
    reports = process.server_folder(f"test-reports-{os.getpid()}")
    reports.chmod(0o777)  # some run as us, some as the server user
    os.environ.update(sanitizer.environment(reports))
    config.stash[REPORTS] = reports


def pytest_unconfigure(config):
    shutil.rmtree(config.stash[REPORTS], ignore_errors=True)
    name = BUILD / f"test-reports-{os.getpid()}"
    if name.is_symlink():
        name.unlink()


def report_fails(config) -> None:
    """Fails with what was reported since the last time."""
    found = sanitizer.reports(config.stash[REPORTS])
    said = "\n".join(map(sanitizer.text, found))
    for path in found:
        path.unlink()
    assert not found, said


@pytest.fixture(scope="session", autouse=True)
def no_report_at_the_end(pytestconfig):
    """Set up first, so torn down last: poolers of the session have ended by then."""
    yield
    report_fails(pytestconfig)


@pytest.fixture(autouse=True)
def no_report(pytestconfig):
    """A sanitizer's report fails the test, or the next one when a module's pooler left it."""
    yield
    report_fails(pytestconfig)


@pytest.fixture(scope="session")
def run_folder():
    """A folder for servers' data, gone at the end."""
    sweep("test-run")
    name = f"test-run-{os.getpid()}"
    path = process.server_folder(name)
    yield path
    shutil.rmtree(path, ignore_errors=True)
    if (BUILD / name).is_symlink():
        (BUILD / name).unlink()


@pytest.fixture(scope="session")
def cluster(run_folder):
    """One PostgreSQL for the whole session, with an ordinary user and PantryCRM as a template."""
    with Cluster(run_folder, settings=FAST) as running:
        primary = running.primary
        primary.sql(f"create role {USER} login password '{PASSWORD}'")
        primary.sql(f"create database {TEMPLATE} owner {USER}")
        primary.sql(f"alter database {TEMPLATE} set role {USER}")
        primary.file(PANTRY / "schema.sql", TEMPLATE)
        primary.file(PANTRY / "data.sql", TEMPLATE, {"scale": "1", "seed": "1"})
        primary.sql(f"alter database {TEMPLATE} reset role")
        yield running


@pytest.fixture(scope="session")
def new_database(cluster):
    """new_database(name): a fresh PantryCRM database that belongs to the ordinary user."""
    def make(name: str) -> str:
        cluster.primary.sql(f"create database {name} template {TEMPLATE} owner {USER} "
                            "strategy file_copy")
        return name
    return make


@contextlib.contextmanager
def poolers(cluster, run_folder):
    """start(name, **settings): a pooler, stopped at the end.

    With ini=True it is started as PgBouncer is: `howdah FILE.ini`. `server_port`: another server's.
    """
    running = []

    def start(name: str, *, ini: bool = False, server_port: int = 0, **settings: str) -> proxy.Proxy:
        folder = Path(run_folder) / f"proxy-{name}"
        folder.mkdir()
        process.give_to_server_user(folder)
        one = proxy.Proxy(folder, {USER: PASSWORD}, settings=settings, ini=ini,
                          databases={"*": "host=127.0.0.1 port="
                                          f"{server_port or cluster.primary.port}"})
        one.start()
        running.append(one)
        return one
    yield start
    for one in running:
        one.stop()


@pytest.fixture(scope="module")
def start_howdah(cluster, run_folder):
    """start_howdah(name, **settings): a pooler of the module's own. They end with it, for io_uring's
    rings count against what one user may lock in memory."""
    with poolers(cluster, run_folder) as start:
        yield start


def pool_modes() -> list[str]:
    """PgBouncer keeps less of a session in transaction mode: it stands in for session mode only."""
    return ["session"] if proxy.program().name == "pgbouncer" else ["session", "transaction"]


@pytest.fixture(scope="session", params=pool_modes())
def howdah(request, cluster, run_folder):
    """howdah in front of the session's cluster, in each pool mode."""
    with poolers(cluster, run_folder) as start:
        yield start(request.param, pool_mode=request.param, default_pool_size="40")


@pytest.fixture(scope="session", params=["direct", *pool_modes()])
def target(request, cluster, start_howdah):
    """target(database): a connection string, once straight to PostgreSQL and once for each mode."""
    if request.param == "direct":
        return lambda database: cluster.primary.uri(USER, PASSWORD, database)
    return start_howdah(f"target-{request.param}", pool_mode=request.param).uri
