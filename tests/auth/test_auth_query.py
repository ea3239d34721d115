"""auth_query: users that only the database knows."""

import concurrent.futures

import psycopg
import pytest

from tests.auth.conftest import LOOKUP
from tests.auth.test_startup import answer, packet, pairs

COUNT = "select coalesce(sum(calls), 0) from pg_stat_statements where query like '%pg_authid%'"


@pytest.fixture
def lookup(make_proxy):
    return make_proxy(auth_user=LOOKUP[0])


def test_passwords_of_the_database(lookup):
    assert lookup.whoami("scram_user", "scram-canary-51") == "scram_user"
    assert "SASL authentication failed" in lookup.refusal("scram_user", "wrong")
    assert lookup.whoami("scram_user", "scram-canary-51") == "scram_user"


def test_no_valid_password_is_no_entry(lookup):
    assert "authentication failed" in lookup.refusal("expired", "expired-canary")
    assert "authentication failed" in lookup.refusal("no_password", "anything")


def test_expiry_counts_at_the_next_login(lookup, roles):
    roles.sql("create role short_lived login password 'sl'")
    try:
        assert lookup.whoami("short_lived", "sl") == "short_lived"
        roles.sql("alter role short_lived valid until '1999-01-01'")
        assert "authentication failed" in lookup.refusal("short_lived", "sl")
        roles.sql("alter role short_lived valid until 'infinity'")
        assert lookup.whoami("short_lived", "sl") == "short_lived"
    finally:
        roles.sql("drop role short_lived")


def test_unknown_user_under_pgbouncer_ini(lookup):
    assert "no such user" in lookup.refusal("nobody_at_all", "x")


TOML = """
auth_type = "{method}"
auth_user = "pswcheck"
[users.pswcheck]
password = "pc-canary-7f3a"
[databases."*"]
host = "127.0.0.1"
port = {port}
"""


@pytest.mark.parametrize("method", ["scram-sha-256", "md5", "plain"])
def test_unknown_user_looks_like_a_wrong_password(make_proxy, roles, method):
    proxy = make_proxy(toml=TOML.format(method=method, port=roles.port))
    unknown = proxy.refusal("nobody_at_all", "x").replace("nobody_at_all", "USER")
    known = "scram_user"
    wrong = proxy.refusal(known, "x").replace(known, "USER")
    assert unknown.split("FATAL:")[1] == wrong.split("FATAL:")[1]
    assert "password authentication failed" in unknown


def asked_for(proxy, user: str) -> tuple[int, bytes]:
    """The method, and what comes with it: mechanisms, or a salt that is new each time."""
    body = pairs("user", user, "database", "postgres")
    asked = answer(proxy.port, packet(body))
    assert asked.type == "R", asked
    code = int.from_bytes(asked.body[:4])
    return code, b"" if code == MD5 else asked.body[4:]


MD5, SASL = 5, 10


def test_md5_asks_a_stranger_for_what_it_asks_the_others_for(make_proxy, roles):
    """SCRAM until a lookup finds an md5 hash, as where password_encryption has not been changed."""
    proxy = make_proxy(toml=TOML.format(method="md5", port=roles.port))
    for user, code in (("nobody_at_all", SASL), ("no_password", SASL), ("scram_user", SASL),
                       ("nobody_at_all", SASL), ("md5_user", MD5), ("nobody_at_all", MD5),
                       ("scram_user", SASL), ("nobody_else", SASL)):
        assert asked_for(proxy, user)[0] == code, user
    assert asked_for(proxy, "nobody_at_all") == asked_for(proxy, "scram_user")


def test_with_an_ini_md5_asks_who_has_no_password_for_md5(make_proxy, roles):
    proxy = make_proxy(auth_user=LOOKUP[0], auth_type="md5")
    assert asked_for(proxy, "no_password")[0] == MD5
    assert "password authentication failed" in proxy.refusal("no_password", "x")
    assert asked_for(proxy, "scram_user")[0] == SASL


@pytest.mark.parametrize("ini", [False, True], ids=["toml", "ini"])
@pytest.mark.parametrize("kind, code", [("scram", SASL), ("md5", MD5), ("plain", MD5)])
def test_md5_asks_a_stranger_for_what_most_in_the_file_have(make_proxy, roles, kind, code, ini):
    stored = {"plain": "p", **{kind: roles.sql(
        f"select rolpassword from pg_authid where rolname = '{kind}_user'")
        for kind in ("scram", "md5")}}[kind]
    users = {name: stored for name in ("ann", "bob")}
    toml = "auth_type = 'md5'\n" + "".join(
        f"[users.{name}]\npassword = '{stored}'\n" for name in users)
    proxy = make_proxy(users=users, toml="" if ini else toml + "[databases.'*']\nhost = '/none'\n",
                       auth_type="md5")
    assert asked_for(proxy, "ann")[0] == code
    assert asked_for(proxy, "nobody_at_all") == asked_for(proxy, "ann")


def test_own_query_cannot_be_led_astray(make_proxy, roles):
    """CVE-2025-12819: what a client sends before it is authenticated is not in force."""
    roles.sql("""
        create schema evil;
        create function public.find_user(name text, out u text, out p text) language sql
            as $$ select rolname, rolpassword from pg_catalog.pg_authid where rolname = $1 $$;
        create function evil.find_user(name text, out u text, out p text) language sql
            as $$ select $1, 'stolen' $$;
        grant usage on schema evil to public;""")
    try:
        proxy = make_proxy(auth_user=LOOKUP[0], auth_query="select * from find_user($1)",
                           track_extra_parameters="search_path",
                           ignore_startup_parameters="", default_pool_size="1")
        evil = {"options": "-c search_path=evil"}
        # Even after auth_user itself used that server with such a search_path.
        with proxy.connect(*LOOKUP, **evil) as own:
            assert own.execute("show search_path").fetchone()[0] == "evil"
        assert "authentication failed" in proxy.refusal("scram_user", "stolen", **evil)
        assert proxy.whoami("scram_user", "scram-canary-51", **evil) == "scram_user"
    finally:
        roles.sql("drop schema evil cascade; drop function public.find_user")


@pytest.mark.parametrize("loops", ["1", "2"])
def test_answers_are_kept_for_a_while(make_proxy, roles, loops):
    roles.sql("create extension if not exists pg_stat_statements")
    proxy = make_proxy(auth_user=LOOKUP[0], auth_query_cache_time="600", loops=loops)
    before = int(roles.sql(COUNT))
    for _ in range(5):
        proxy.whoami("scram_user", "scram-canary-51")
    # Each loop keeps its own.
    assert 1 <= int(roles.sql(COUNT)) - before <= 2
    # A login that fails asks anew: the password may have been changed.
    roles.sql("create role changing login password 'old'")
    try:
        for _ in range(2):  # each loop has its answer
            assert proxy.whoami("changing", "old") == "changing"
        roles.sql("alter role changing password 'new'")
        proxy.refusal("changing", "new")
        for _ in range(2):
            assert proxy.whoami("changing", "new") == "changing"
    finally:
        roles.sql("drop role changing")


def test_errors_are_the_logs_business(make_proxy):
    proxy = make_proxy(auth_user=LOOKUP[0], auth_query="select usename from no_such_table")
    assert "bouncer config error" in proxy.refusal("scram_user", "x")
    assert '"no_such_table" does not exist' in proxy.log_text()
    assert "no_such_table" not in proxy.refusal("scram_user", "x")


@pytest.mark.parametrize("query", ["select 'a'", "select 1,2,3", "select null, 'x'"])
def test_answers_of_another_shape(make_proxy, query):
    proxy = make_proxy(auth_user=LOOKUP[0], auth_query=query)
    refusal = proxy.refusal("scram_user", "x")
    assert "bouncer config error" in refusal
    assert "auth_query" in proxy.log_text()


def test_forced_user_still_proves_who_he_is(make_proxy, roles):
    proxy = make_proxy(users={LOOKUP[0]: LOOKUP[1], "forced": "forced-canary"},
                       auth_user=LOOKUP[0], databases={
        "shop": f"host=127.0.0.1 port={roles.port} dbname=postgres user=forced"})
    assert proxy.whoami("scram_user", "scram-canary-51", "shop") == "forced"
    assert "authentication failed" in proxy.refusal("scram_user", "wrong", "shop")


def test_no_database_is_told_after_the_password(make_proxy):
    proxy = make_proxy(databases={"only": "host=127.0.0.1"})
    assert "SASL authentication failed" in proxy.refusal(LOOKUP[0], "wrong", "other")
    assert "no such database: other" in proxy.refusal(*LOOKUP, "other")


def test_a_lookups_connection_never_serves_clients(make_proxy, roles):
    """Connections move between loops, and stay connections of the user who logged in with them."""
    proxy = make_proxy(users={LOOKUP[0]: LOOKUP[1], "forced": "forced-canary"}, loops="2",
                       auth_user=LOOKUP[0], default_pool_size="1",
                       auth_query="select rolname, rolpassword from pg_authid, pg_sleep(0.02) "
                                  "where rolname = $1",
                       databases={"shop": f"host=127.0.0.1 port={roles.port} dbname=postgres "
                                          "user=forced"})

    def log_in(_):
        try:
            with proxy.connect("scram_user", "scram-canary-51", "shop") as client:
                return client.execute("select session_user").fetchone()[0]
        except psycopg.OperationalError as error:
            return str(error)
    with concurrent.futures.ThreadPoolExecutor(8) as crowd:
        assert set(crowd.map(log_in, range(80))) == {"forced"}
