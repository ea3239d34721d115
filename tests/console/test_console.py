"""The console, as PgBouncer's scripts and exporters use it, on one loop and on two."""

import contextlib
import socket
import threading

import psycopg
import pytest

from tools import process

# PgBouncer 1.25's columns, in its order; what is ours comes after them.
SOCKETS = ("type user database replication state addr port local_addr local_port connect_time "
           "request_time wait wait_us close_needed ptr link remote_pid tls application_name "
           "prepared_statements id").split()
BUFFERS = "recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail send_avail".split()
STATS = ("server_assignment_count xact_count query_count received sent xact_time query_time "
         "wait_time client_parse_count server_parse_count bind_count").split()
NAMED = {"received": "bytes_received", "sent": "bytes_sent"}
NAMED_IN_TOTALS = {"received": "client_bytes", "sent": "server_bytes",
                   **{name: f"ps_{name}" for name in STATS[8:]}}
COLUMNS = {
    "clients": SOCKETS,
    "servers": SOCKETS,
    "sockets": SOCKETS + BUFFERS,
    "active_sockets": SOCKETS + BUFFERS,
    "pools": ("database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req "
              "sv_active sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login "
              "maxwait maxwait_us pool_mode load_balance_hosts").split(),
    "databases": ("name host port database force_user pool_size min_pool_size reserve_pool_size "
                  "server_lifetime pool_mode load_balance_hosts max_connections "
                  "current_connections max_client_connections current_client_connections paused "
                  "disabled").split(),
    "users": ("name pool_size reserve_pool_size pool_mode max_user_connections "
              "current_connections max_user_client_connections current_client_connections").split(),
    "stats": ["database", *(f"total_{name}" for name in STATS),
              *(f"avg_{'recv' if name == 'received' else name}" for name in STATS)],
    "stats_totals": ["database", *(NAMED.get(name, name) for name in STATS)],
    "stats_averages": ["database", *(NAMED.get(name, name) for name in STATS[:8]),
                       *(f"avg_{name}" for name in STATS[8:])],
    "totals": ["name", "value"],
    "lists": ["list", "items"],
    "mem": ["name", "size", "used", "free", "memtotal"],
    "config": ["key", "value", "default", "changeable"],
    "state": ["key", "value"],
    "version": ["version"],
    "peers": ["peer_id", "host", "port", "pool_size"],
    "peer_pools": ["peer_id", "cl_active_cancel_req", "cl_waiting_cancel_req",
                   "sv_active_cancel", "sv_login"],
    "dns_hosts": ["hostname", "ttl", "addrs"],
    "dns_zones": ["zonename", "serial", "count"],
}
# Their types: text, but for these.
INT8, INT4, TEXT, NUMERIC = 20, 23, 25, 1700
INTEGERS = {"port", "local_port", "wait", "wait_us", "close_needed", "remote_pid", "id", "maxwait",
            "prepared_statements", *BUFFERS, *COLUMNS["pools"][2:13], "maxwait_us",
            *COLUMNS["databases"][5:9], *COLUMNS["databases"][11:], *COLUMNS["users"][4:], "items",
            *COLUMNS["mem"][1:], *COLUMNS["peer_pools"], "count"}


def type_of(what: str, name: str) -> int:
    if name in ("ttl", "serial"):
        return INT8
    if what.startswith(("stats", "totals")) and name not in ("database", "name"):
        return NUMERIC
    return INT4 if name in INTEGERS and (what, name[-9:]) != ("users", "pool_size") else TEXT


@pytest.fixture(scope="module", params=["1", "2"], ids=["one-loop", "two-loops"])
def pooler(request, start_howdah):
    return start_howdah(f"console-{request.param}", pool_mode="transaction", loops=request.param)


@pytest.fixture(scope="module")
def database(pooler, new_database):
    return new_database(f"console_{pooler.port}")


@pytest.fixture
def connect(pooler, database):
    with contextlib.ExitStack() as stack:
        def open_one(name=database):
            return stack.enter_context(psycopg.connect(pooler.uri(name), autocommit=True,
                                                       prepare_threshold=None))
        yield open_one


@pytest.fixture
def console(connect):
    return connect("pgbouncer")


def rows(console, what):
    cursor = console.execute(f"SHOW {what}")
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor.fetchall()]


def of(found, database):
    return [row for row in found if row["database"] == database]


def wait_for(condition, what):
    process.wait_until(condition, 10, what)


@pytest.mark.parametrize("what", sorted(COLUMNS))
def test_columns_begin_with_pgbouncers(console, what):
    shown = [(c.name, c.type_code) for c in console.execute(f"SHOW {what}").description]
    wanted = [(name, type_of(what, name)) for name in COLUMNS[what]]
    assert shown[:len(wanted)] == wanted


def test_counters_of_our_own_come_after_pgbouncers(connect, console):
    names = [row["name"] for row in rows(console, "totals")]
    theirs = [NAMED_IN_TOTALS.get(name, name) for name in STATS]
    assert names[:2 * len(STATS)] == [f"{kind}_{name}" for kind in ("total", "avg") for name in theirs]
    assert {"total_client_login_count", "avg_client_login_count", "total_errors"} <= set(names)
    [before] = of(rows(console, "stats_totals"), "howdah")
    connect("pgbouncer").execute("SHOW VERSION")
    [after] = of(rows(console, "stats_totals"), "howdah")
    assert after["client_login_count"] == before["client_login_count"] + 1


def test_clients_of_all_loops_are_shown(connect, console, database):
    clients = [connect() for _ in range(4)]
    for client in clients:
        client.execute("begin")
    shown = of(rows(console, "clients"), database)
    assert len(shown) == 4
    assert {row["state"] for row in shown} == {"active"}
    servers = {row["ptr"] for row in of(rows(console, "servers"), database)}
    assert {row["link"] for row in shown} <= servers
    assert sum(row["sv_active"] for row in of(rows(console, "pools"), database)) == 4
    for client in clients:
        client.execute("rollback")


def test_the_application_name_is_what_the_client_set_last(connect, console, database):
    client = connect()

    def names(what):
        return [row["application_name"] for row in of(rows(console, what), database)]
    client.execute("set application_name = 'x1'")
    assert names("clients") == ["x1"]
    client.execute("begin")
    assert names("clients") == ["x1"] and "x1" in names("servers")
    client.execute("set local application_name = 'x2'")
    assert names("clients") == ["x2"] and "x2" in names("servers")
    client.execute("rollback")
    wait_for(lambda: names("clients") == ["x1"], "the name of before")


def test_databases_made_from_the_asterisk_are_counted(connect, console, database):
    connect().execute("select 1")
    counted = {row["list"]: row["items"] for row in rows(console, "lists")}
    shown = rows(console, "databases")
    assert database in {row["name"] for row in shown}
    assert counted["databases"] == len(shown)
    assert counted["users"] == len(rows(console, "users"))
    assert counted["pools"] == len(rows(console, "pools"))


def test_who_waits_for_the_first_server_at_login_is_shown(start_howdah, pooler):
    """Logged in with his password, he is told what the server reports: it has to be there."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        one = start_howdah(f"console-waits-{pooler.port}", server_port=deaf.getsockname()[1],
                           pool_mode="transaction")
        waiting = psycopg.pq.PGconn.connect_start(one.uri("anything").encode())
        with psycopg.connect(one.uri("pgbouncer"), autocommit=True, prepare_threshold=None) as admin:
            def shown():
                waiting.connect_poll()
                return [row["state"] for row in of(rows(admin, "clients"), "anything")]
            wait_for(lambda: shown() == ["waiting"], "the client")
            assert [row["cl_waiting"] for row in of(rows(admin, "pools"), "anything")] == [1]
            assert [row["state"] for row in of(rows(admin, "sockets"), "anything")
                    if row["type"] == "C"] == ["cl_waiting"]
            assert {row["list"]: row["items"] for row in rows(admin, "lists")}["login_clients"] == 0
        waiting.finish()


@pytest.mark.parametrize("typed", ["select 1", "SHOW  nonsense", "shutdown Sometime", "FooBar x"])
def test_an_invalid_command_is_quoted_as_it_was_typed(console, typed):
    with pytest.raises(psycopg.errors.ProtocolViolation) as caught:
        console.execute(typed)
    assert caught.value.diag.message_primary == f"invalid command '{typed}', use SHOW HELP;"


def test_what_pins_a_client_is_shown(connect, console, database):
    client = connect()
    client.execute("create temp table kept (i int)")
    wait_for(lambda: [row["pins"] for row in of(rows(console, "clients"), database)]
             == ["temporary object"], "the pin")
    client.execute("drop table kept")
    wait_for(lambda: [row["pins"] for row in of(rows(console, "clients"), database)] == [""],
             "no pin")
    assert client.execute("select 1").fetchone() == (1,)


def test_pause_holds_queries_back_and_resume_lets_them_go(pooler, connect, console, database):
    client = connect()
    client.execute("select 1")
    assert console.execute(f"PAUSE {database}").statusmessage == "PAUSE"
    assert of(rows(console, "servers"), database) == []
    assert "closing because: pause mode" in pooler.log.read_text()
    answer = []
    thread = threading.Thread(target=lambda: answer.append(client.execute("select 7").fetchone()))
    thread.start()
    wait_for(lambda: any(row["state"] == "waiting" for row in of(rows(console, "clients"), database)),
             "a client that waits")
    assert answer == []
    assert console.execute(f"RESUME {database}").statusmessage == "RESUME"
    thread.join(10)
    assert answer == [(7,)]


def test_pause_waits_for_transactions(connect, console, database):
    client = connect()
    client.execute("begin")
    done = threading.Event()
    other = connect("pgbouncer")

    def pause():
        other.execute(f"PAUSE {database}")
        done.set()
    thread = threading.Thread(target=pause)
    thread.start()
    wait_for(lambda: any(row["name"] == database and row["paused"] == 1
                         for row in rows(console, "databases")), "the database paused")
    assert client.execute("select 1").fetchone() == (1,)
    assert not done.is_set()
    client.execute("commit")
    assert done.wait(10)
    thread.join()
    console.execute(f"RESUME {database}")


def test_reconnect_replaces_servers(connect, console, database):
    client = connect()
    before = client.execute("select pg_backend_pid()").fetchone()
    assert console.execute("RECONNECT").statusmessage == "RECONNECT"
    assert console.execute(f"WAIT_CLOSE {database}").statusmessage == "WAIT_CLOSE"
    assert client.execute("select pg_backend_pid()").fetchone() != before


def test_kill_client_ends_that_one(connect, console, database):
    clients = {connect(), connect()}
    for client in clients:
        client.execute("select 1")
    victim = of(rows(console, "clients"), database)[0]["id"]
    assert console.execute(f"KILL_CLIENT {victim}").statusmessage == "KILL_CLIENT"
    left = of(rows(console, "clients"), database)
    assert len(left) == 1 and left[0]["id"] != victim
    failed = 0
    for client in clients:
        try:
            client.execute("select 1")
        except psycopg.OperationalError as error:
            failed += 1
            assert "admin forced disconnect" in str(error)
    assert failed == 1
    with pytest.raises(psycopg.errors.ProtocolViolation, match="client not found"):
        console.execute(f"KILL_CLIENT {victim}")


def test_kill_ends_all_of_a_database(connect, console, database):
    clients = [connect() for _ in range(3)]
    console.execute(f"KILL {database}")
    assert of(rows(console, "clients"), database) == []
    for client in clients:
        with pytest.raises(psycopg.OperationalError, match="database removed"):
            client.execute("select 1")
    console.execute(f"RESUME {database}")
    assert connect().execute("select 1").fetchone() == (1,)


def test_kill_does_not_wait_for_who_comes_later(pooler, connect, console, database):
    over = threading.Event()

    def come_again_and_again():
        while not over.is_set():
            with contextlib.suppress(psycopg.OperationalError):
                with psycopg.connect(pooler.uri(database), autocommit=True) as one:
                    one.execute("select 1")
    crowd = [threading.Thread(target=come_again_and_again, daemon=True) for _ in range(16)]
    for one in crowd:
        one.start()
    watchdog = threading.Timer(20, console.cancel)
    watchdog.start()
    try:
        for _ in range(30):
            console.execute(f"KILL {database}")
            assert watchdog.is_alive(), "KILL waited until it was cancelled"
            console.execute(f"RESUME {database}")
    finally:
        watchdog.cancel()
        over.set()
        with contextlib.suppress(psycopg.Error):
            console.execute(f"RESUME {database}")  # whoever waits in front of it goes
        for one in crowd:
            one.join(20)
    assert connect().execute("select 1").fetchone() == (1,)


def test_disable_refuses_new_clients_only(connect, console, database):
    client = connect()
    console.execute(f"DISABLE {database}")
    assert client.execute("select 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="is disabled"):
        connect()
    console.execute(f"ENABLE {database}")
    assert connect().execute("select 1").fetchone() == (1,)


def test_suspend_stands_still_until_resume(connect, console):
    client = connect()
    client.execute("select 1")
    assert console.execute("SUSPEND").statusmessage == "SUSPEND"
    answer = []
    thread = threading.Thread(target=lambda: answer.append(client.execute("select 3").fetchone()))
    thread.start()
    assert {row["key"]: row["value"] for row in rows(console, "state")}["suspended"] == "yes"
    thread.join(0.3)
    assert answer == []
    console.execute("RESUME")
    thread.join(10)
    assert answer == [(3,)]


def test_set_is_seen_and_refused_as_pgbouncer_does(console):
    assert console.execute("SET query_wait_timeout = 77").statusmessage == "SET query_wait_timeout=77"
    shown = {row["key"]: row for row in rows(console, "config")}
    assert shown["query_wait_timeout"]["value"] == "77"
    with pytest.raises(psycopg.errors.ProtocolViolation, match="SET failed"):
        console.execute("SET query_wait_timeout = 'soon'")
    with pytest.raises(psycopg.errors.ProtocolViolation, match="invalid command"):
        console.execute("SHOW nonsense")
    console.execute("SET query_wait_timeout = 120")


def test_counters_count(connect, console, database):
    def total():
        return of(rows(console, "stats"), database)[0]
    client = connect()
    before = total()
    for _ in range(5):
        client.execute("select 1")
    after = total()
    assert after["total_query_count"] - before["total_query_count"] == 5
    assert after["total_xact_count"] - before["total_xact_count"] == 5
    assert after["total_received"] > before["total_received"]
    assert after["total_sent"] > before["total_sent"]


def test_extended_protocol_is_refused(connect, console):
    with pytest.raises(psycopg.errors.ProtocolViolation, match="extended query protocol"):
        connect("pgbouncer").execute("SHOW POOLS", (), binary=True)
    assert console.execute("SHOW VERSION").fetchone()[0].startswith("howdah ")
