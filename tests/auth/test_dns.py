"""A name that moves to another address. Names stand in a file of our own, by libnss-wrapper."""

import os
from pathlib import Path

import psycopg
import pytest

from tests.auth.conftest import LOOKUP
from tests.chaos.network import Network
from tools import process

LIBRARY = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/libnss_wrapper.so")


class Hosts:
    def __init__(self, folder: Path):
        self.path = folder / "hosts"

    def say(self, *addresses: str) -> None:
        new = self.path.with_suffix(".new")
        new.write_text("".join(f"{address} db.test\n" for address in addresses))
        process.give_to_server_user(new)
        new.replace(self.path)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(LIBRARY), "NSS_WRAPPER_HOSTS": str(self.path),
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}


@pytest.fixture(scope="module")
def elsewhere(roles):
    """The server at 127.0.0.2, on the same port."""
    network = Network(roles.port, address="127.0.0.2", own_port=roles.port)
    yield network
    network.close()


def addresses(proxy) -> set[str]:
    with proxy.connect(*LOOKUP, "pgbouncer") as console:
        names = [column.name for column in console.execute("show servers").description]
        return {dict(zip(names, row))["addr"] for row in console.execute("show servers")}


@pytest.fixture
def named(make_proxy, roles, auth_folder):
    hosts = Hosts(auth_folder)
    hosts.say("127.0.0.1")
    proxy = make_proxy(databases={"*": f"host=db.test port={roles.port}"}, dns_max_ttl="1",
                       pool_mode="transaction", server_login_retry="1",
                       environment=hosts.environment)
    return hosts, proxy


def test_a_name_that_moves_is_followed(named, elsewhere):
    """Idle connections to the old address are replaced, and the client that is there goes on."""
    hosts, proxy = named
    with proxy.connect(*LOOKUP) as client:
        client.execute("set work_mem = '7MB'")
        assert addresses(proxy) == {"127.0.0.1"}
        hosts.say("127.0.0.2")

        def moved() -> bool:
            assert client.execute("show work_mem").fetchone() == ("7MB",)
            return addresses(proxy) == {"127.0.0.2"}
        process.wait_until(moved, 20, "connections to the new address", step=0.2)


def test_a_transaction_stays_where_it_is(named, elsewhere):
    hosts, proxy = named
    with proxy.connect(*LOOKUP) as client, proxy.connect(*LOOKUP) as other:
        client.execute("begin")
        pid = client.execute("select pg_backend_pid()").fetchone()
        hosts.say("127.0.0.2")

        def moved() -> bool:
            other.execute("select 1")
            return "127.0.0.2" in addresses(proxy)
        process.wait_until(moved, 20, "a connection to the new address", step=0.2)
        assert client.execute("select pg_backend_pid()").fetchone() == pid
        client.execute("commit")
        process.wait_until(lambda: addresses(proxy) == {"127.0.0.2"}, 20, "the old one gone")


def test_one_of_two_addresses_that_comes_and_goes_is_kept(named, elsewhere):
    hosts, proxy = named
    hosts.say("127.0.0.1", "127.0.0.2")
    with proxy.connect(*LOOKUP) as client:
        for _ in range(3):
            assert client.execute("select 1").fetchone() == (1,)
        assert addresses(proxy) <= {"127.0.0.1", "127.0.0.2"}


def test_a_server_that_moves_when_it_dies(named, elsewhere, roles):
    """The name is asked again at once, not after dns_max_ttl, when nobody answers."""
    hosts, proxy = named
    hosts.say("127.0.0.3")
    proxy.settings["dns_max_ttl"] = "600"
    proxy.reload()
    with pytest.raises(psycopg.Error):
        proxy.connect(*LOOKUP, options="-c statement_timeout=1").close()
    hosts.say("127.0.0.2")
    process.wait_until(lambda: reaches(proxy), 20, "a connection to the new address", step=0.2)


def reaches(proxy) -> bool:
    try:
        return proxy.whoami(*LOOKUP) == LOOKUP[0]
    except psycopg.Error:
        return False
