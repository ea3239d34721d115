"""The start-up packet and what comes before the first query, held against PostgreSQL."""

import pytest

from tests.auth.conftest import LOOKUP
from tests.proxy.wire_client import Client, query, text

TOML = """
auth_type = "{method}"
{more}
[users.{user}]
password = "{password}"
[databases."*"]
host = "127.0.0.1"
port = {port}
"""


@pytest.fixture
def with_toml(make_proxy, roles):
    """with_toml(more settings): a proxy in front of PostgreSQL, or of the server at `port`."""
    def start(more: str = "", port: int = 0, method: str = "scram-sha-256"):
        return make_proxy(toml=TOML.format(method=method, more=more, user=LOOKUP[0],
                                           password=LOOKUP[1], port=port or roles.port))
    return start


def shown(client: Client, name: str) -> str:
    return next(one.body for one in client.ask(query(f"show {name}")) if one.type == "D")[6:].decode()


@pytest.mark.parametrize("front", [True, False], ids=["options first", "options last"])
@pytest.mark.parametrize("name, own, other", [("work_mem", "7MB", "5MB"),
                                              ("application_name", "own", "other"),
                                              ("TimeZone", "Asia/Tokyo", "UTC")])
def test_a_parameter_goes_before_options(with_toml, roles, name, own, other, front):
    options = {"options": f"-c {name}={other} -c geqo=off"}
    given = {**options, name: own} if front else {name: own, **options}
    for port in (roles.port, with_toml().port):
        client = Client(f"postgresql://{LOOKUP[0]}:{LOOKUP[1]}@127.0.0.1:{port}/postgres", **given)
        assert (shown(client, name), shown(client, "geqo")) == (own, "off"), port
        client.close()


def test_a_parameter_goes_before_options_under_pgbouncer_ini(make_proxy):
    proxy = make_proxy()
    with proxy.connect(*LOOKUP, application_name="own",
                       options="-c application_name=other -c timezone=Asia/Tokyo") as connection:
        assert connection.execute("show application_name").fetchone()[0] == "own"
        assert connection.execute("show timezone").fetchone()[0] == "Asia/Tokyo"
