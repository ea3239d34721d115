"""Users of every kind on the session's cluster, and proxies that a test configures."""

import shutil
from pathlib import Path

import pytest

from tests.auth.harness import AuthProxy, Authority
from tools import process

LOOKUP = ("pswcheck", "pc-canary-7f3a")
ROLES = f"""
    create role {LOOKUP[0]} superuser login password '{LOOKUP[1]}';
    create role scram_user login password 'scram-canary-51';
    create role expired login password 'expired-canary' valid until '1999-01-01';
    create role no_password login;
    create role forced login password 'forced-canary';
    set password_encryption = 'md5';
    create role md5_user login password 'md5-canary-90';
"""


@pytest.fixture(scope="session")
def roles(cluster):
    cluster.primary.sql(ROLES)
    return cluster.primary


@pytest.fixture
def auth_folder(run_folder, request):
    folder = Path(run_folder) / f"auth-{request.node.name[:40].replace('[', '-').replace(']', '')}"
    folder.mkdir()
    process.give_to_server_user(folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_proxy(roles, auth_folder):
    """make_proxy(users=.., databases=.., toml=.., setting=value..): a running proxy of one's own."""
    running = []

    def make(*, users: dict[str, str] | None = None, start: bool = True, **more) -> AuthProxy:
        one = AuthProxy(auth_folder, roles.port,
                        users=users if users is not None else {LOOKUP[0]: LOOKUP[1]}, **more)
        if start:
            one.start()
        running.append(one)
        return one
    yield make
    for one in running:
        one.stop()


@pytest.fixture(scope="session")
def authorities(run_folder):
    """Two certificate authorities that do not know each other."""
    folder = Path(run_folder) / "authorities"
    folder.mkdir()
    process.give_to_server_user(folder)
    folder.chmod(0o755)
    return Authority(folder, "one"), Authority(folder, "two")
