"""Several addresses in listen_addr: as PgBouncer, one that cannot be had keeps nobody out."""

import socket

import psycopg
import pytest

from tests.conftest import PASSWORD, USER
from tools import process, proxy


@pytest.mark.parametrize("ini", [True, False], ids=["ini", "toml"])
@pytest.mark.parametrize("addresses, word", [
    ("127.0.0.1,192.0.2.1", "192.0.2.1"),  # TEST-NET: no machine has it
    ("192.0.2.1,127.0.0.1", "192.0.2.1"),
    ("127.0.0.1,127.0.0.1", "more than once"),
    ("0.0.0.0,127.0.0.1", "more than once"),
    ("127.0.0.1,0.0.0.0", "0.0.0.0"),
])
def test_the_others_are_served(start_howdah, request, ini, addresses, word):
    if proxy.program().name == "pgbouncer" and "127.0.0.1" in word:
        pytest.skip("PgBouncer's words are others")
    name = f"listening-{request.node.callspec.id}".replace(",", "-")
    one = start_howdah(name, ini=ini, listen_addr=addresses)
    with psycopg.connect(one.uri("postgres")) as client:
        assert client.execute("select 1").fetchone() == (1,)
    [warning] = [line for line in one.log.read_text().splitlines()
                 if " WARNING " in line and "listen" in line]
    assert word in warning and "another process" not in warning


def test_where_none_can_be_had_it_does_not_start(run_folder, cluster):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        folder = run_folder / "listening-nowhere"
        folder.mkdir()
        process.give_to_server_user(folder)
        one = proxy.Proxy(folder, {USER: PASSWORD}, databases={"*": "host=127.0.0.1"},
                          settings={"listen_addr": "127.0.0.1,192.0.2.1"})
        one.port = taken.getsockname()[1]
        one.write_config()
        one.process = process.spawn(one.command(), one.log, on_parent_death="TERM")
        assert one.process.wait(20) != 0
    assert f"could not listen on 127.0.0.1:{one.port}" in one.log.read_text()
