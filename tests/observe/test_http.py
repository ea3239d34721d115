"""howdah seen from outside: /metrics, /healthz, /readyz and the API, in front of a real server."""

import http.client
import json
import re
import select
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import jsonschema
import psycopg
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from tests.conftest import PASSWORD, USER
from tools import process, proxy
from tools.shell import ROOT

SCHEMAS = ROOT / "docs" / "schemas"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
TOKEN = "a-token-of-some-length"

pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer has no HTTP server")


class Answer:
    def __init__(self, raw: http.client.HTTPResponse):
        self.status, self.headers, self.body = raw.status, raw.headers, raw.read().decode()

    def json(self, schema: str = "") -> dict:
        value = json.loads(self.body)
        name = schema or value["schema"].replace("/", "-")
        jsonschema.validate(value, json.loads((SCHEMAS / f"{name}.json").read_text()))
        return value


class Watched:
    """A howdah with an HTTP port."""

    def __init__(self, one: proxy.Proxy, port: int):
        self.proxy, self.port = one, port

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            connection.request(method, path, headers=headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def raw(self, text: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=15) as peer:
            try:
                peer.sendall(text)
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = b""
            try:
                while part := peer.recv(65536):
                    answer += part
            except ConnectionResetError:
                pass
            return answer

    def metric(self, name: str, **labels: str) -> float | None:
        for family in prometheus_text(self.get("/metrics").body):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return sample.value
        return None

    def queries(self, search: str) -> list[dict]:
        return self.get(f"/api/queries?search={search}").json()["queries"]

    def connect(self, database: str, **options) -> psycopg.Connection:
        return psycopg.connect(self.proxy.uri(database), autocommit=True, **options)


def start(folder: Path, databases: dict[str, str], **settings: str) -> Watched:
    folder.mkdir()
    process.give_to_server_user(folder)
    port = process.free_port()
    one = proxy.Proxy(folder, {USER: PASSWORD}, databases=databases,
                      settings={"http_listen": f"127.0.0.1:{port}", **settings})
    one.start()
    watched = Watched(one, port)
    process.wait_until(lambda: process.accepts(port), 10, "http port")
    return watched


@contextmanager
def running(folder: Path, databases: dict[str, str], **settings: str):
    watched = start(folder, databases, **settings)
    try:
        yield watched
    finally:
        watched.proxy.stop()


def server_of(cluster) -> str:
    return f"host=127.0.0.1 port={cluster.primary.port}"


@pytest.fixture(scope="module")
def watched(run_folder, cluster, new_database):
    database = new_database("observed")
    with running(Path(run_folder) / "observed", {database: server_of(cluster)},
                 pool_mode="transaction", loops="2") as one:
        with one.connect(database) as connection:
            for number in range(20):
                connection.execute("select count(*) from leads where %s::int > 0", [number],
                                   prepare=True)
            psycopg.ClientCursor(connection).execute("select 4711 + count(*) from contacts")
            with pytest.raises(psycopg.errors.UndefinedTable):
                connection.execute("select * from nowhere where id = %s", [4711])
        process.wait_until(
            lambda: (one.metric("howdah_queries_total", database=database) or 0) >= 22, 5, "events")
        yield one


def test_both_formats_are_read_by_the_reference_parsers(watched):
    text = watched.get("/metrics")
    assert text.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name for family in prometheus_text(text.body)}
    assert {"howdah_query_server_seconds", "pgbouncer_pools_server_idle_connections"} <= families

    other = watched.get("/metrics", Accept=OPEN_METRICS)
    assert other.headers["Content-Type"] == f"{OPEN_METRICS}; charset=utf-8"
    assert other.body.endswith("\n# EOF\n")
    names = {family.name for family in open_metrics(other.body)}
    assert {"howdah_queries", "howdah_build", "howdah_query_server_seconds"} <= names


def test_every_metric_in_the_docs_is_exposed(watched):
    documented = set(re.findall(r"^\| `([a-z_]+)`", (ROOT / "docs/metrics.md").read_text(), re.M))
    exposed = {line.split()[2] for line in watched.get("/metrics").body.splitlines()
               if line.startswith("# TYPE")}
    # Of each statement only where metrics_top_queries asks for it: tests/insight looks at those.
    by_statement = {name for name in documented if name.startswith("howdah_statement_")
                    and not name.startswith("howdah_statement_cache")}
    assert len(by_statement) == 4
    assert exposed == documented - by_statement


def test_histograms_are_cumulative_and_agree_with_the_counter(watched):
    families = {f.name: f for f in open_metrics(watched.get("/metrics", Accept=OPEN_METRICS).body)}
    for part in ("queue", "server", "network", "duration"):
        family = families[f"howdah_query_{part}_seconds"]
        buckets = [s.value for s in family.samples if s.name.endswith("_bucket")
                   and s.labels["database"] == "observed"]
        count = [s.value for s in family.samples if s.name.endswith("_count")
                 and s.labels["database"] == "observed"]
        assert buckets == sorted(buckets) and buckets[-1] == count[0] >= 22
    assert watched.metric("howdah_query_errors_total", database="observed", **{"class": "42"}) == 1
    assert watched.metric("howdah_query_events_dropped_total") == 0


def test_threads_have_names(watched):
    names = {path.read_text().strip()
             for path in Path(f"/proc/{watched.proxy.process.pid}/task").glob("*/comm")}
    assert {"howdah-loop-0", "howdah-loop-1", "howdah-pump", "howdah-http"} <= names


def test_pools_and_totals_move(watched):
    pool = {"database": "observed", "user": USER}
    assert watched.metric("pgbouncer_pools_server_idle_connections", **pool) >= 1
    before = watched.metric("pgbouncer_stats_totals_queries_pooled_total", database="observed")
    with watched.connect("observed") as connection:
        connection.execute("select 1")
        assert watched.metric("pgbouncer_pools_client_active_connections", **pool) == 1
    after = watched.metric("pgbouncer_stats_totals_queries_pooled_total", database="observed")
    assert after >= before + 1
    process.wait_until(
        lambda: watched.metric("pgbouncer_pools_client_active_connections", **pool) == 0, 5, "end")


def test_queries_are_counted_by_statement_without_literals(watched):
    [prepared] = watched.queries("from+leads")
    assert prepared["calls"] == 20 and prepared["rows"] == 20 and prepared["errors"] == 0
    assert prepared["bytes_in"] > 0 and prepared["bytes_out"] > 0
    assert 0 < prepared["server_ms_mean"] <= prepared["server_ms_max"] <= prepared["server_ms"]
    [simple] = watched.queries("from+contacts")
    assert simple["calls"] == 1 and "4711" not in simple["text"]
    [failed] = watched.queries("from+nowhere")
    assert failed["errors"] == failed["calls"] == 1
    assert "4711" not in watched.get("/api/queries?limit=500").body


def test_queries_pages_do_not_overlap(watched):
    whole = watched.get("/api/queries?limit=500&sort=calls").json()
    first = watched.get("/api/queries?limit=1&sort=calls").json()
    second = watched.get("/api/queries?limit=1&offset=1&sort=calls").json()
    assert [q["fingerprint"] for q in (first["queries"] + second["queries"])] == \
        [q["fingerprint"] for q in whole["queries"][:2]]
    bad = watched.get("/api/queries?sort=name")
    assert bad.status == 400 and "sort" in bad.json("howdah.error-1")["error"]


def test_a_slow_server_and_a_slow_reader_are_told_apart(watched):
    with watched.connect("observed") as connection:
        connection.execute("select pg_sleep(0.2)")
    process.wait_until(lambda: watched.queries("pg_sleep"), 5, "statistics")
    [slept] = watched.queries("pg_sleep")
    assert slept["server_ms"] >= 200 and slept["network_ms"] < 100

    with psycopg.connect(watched.proxy.uri("observed"), autocommit=True) as connection:
        raw = connection.pgconn
        raw.send_query(b"select repeat('x', 8000) from generate_series(1, 4000)")
        time.sleep(0.5)  # the reader is busy with something else: 32 MB wait, some in the kernel
        while raw.get_result() is not None:
            pass
    process.wait_until(lambda: watched.queries("generate_series"), 5, "statistics")
    [read] = watched.queries("generate_series")
    assert read["rows"] == 4000 and read["bytes_out"] > 32_000_000
    assert read["server_ms"] + read["network_ms"] >= 400


def test_a_slow_statements_line_names_its_session(run_folder, cluster, new_database):
    database = new_database("slow_json")
    with running(Path(run_folder) / "slow_json", {database: server_of(cluster)},
                 pool_mode="transaction", log_format="json", slow_query_time="0.05") as one:
        with one.connect(database) as connection:
            connection.execute("select pg_sleep(0.1)")

        def sessions(word: str) -> list[int]:
            lines = map(json.loads, one.proxy.log.read_text().splitlines())
            return [line.get("session") for line in lines
                    if word in line["message"] and line.get("database") == database]
        process.wait_until(lambda: sessions("slow statement"), 5, "the line")
        assert sessions("slow statement") == sessions("login attempt")


@pytest.mark.parametrize("backend", ["io_uring", "epoll"])
def test_the_time_until_something_else_happens_is_nobodys(run_folder, cluster, new_database,
                                                          backend):
    database = new_database(f"quiet_{backend}")
    with running(Path(run_folder) / f"quiet_{backend}", {database: server_of(cluster)},
                 pool_mode="transaction", backend=backend) as one:
        for _ in range(5):
            with one.connect(database) as connection:
                connection.execute("select 1")
                # A client that thinks; nobody else is there.
                assert select.select([connection.fileno()], [], [], 0.1)[0] == []
        total = "howdah_query_network_seconds"
        process.wait_until(lambda: one.metric(f"{total}_count", database=database) == 5, 5, "events")
        assert one.metric(f"{total}_sum", database=database) < 0.01


def test_waiting_for_a_server_is_queue_time(run_folder, cluster, new_database):
    database = new_database("queued")
    with running(Path(run_folder) / "queued", {database: server_of(cluster)},
                 pool_mode="transaction", default_pool_size="1") as one:
        def hold():
            with one.connect(database) as connection:
                connection.execute("select pg_sleep(0.4)")
        other = threading.Thread(target=hold)
        other.start()
        process.wait_until(lambda: one.metric("pgbouncer_pools_server_active_connections",
                                              database=database) == 1, 5, "busy server")
        with one.connect(database) as connection:
            connection.execute("select count(*) from organizations")
        other.join()
        process.wait_until(lambda: one.queries("organizations"), 5, "statistics")
        [second] = one.queries("organizations")
        assert second["queue_ms"] > 50 and second["server_ms"] < second["queue_ms"]
        assert one.get("/api/pools").json()["pools"][0]["totals"]["wait_ms"] > 50


def test_a_pool_may_have_its_reserve_and_no_more_than_its_limits(run_folder, cluster, new_database):
    database, limited = new_database("reserved"), new_database("limited")
    with running(Path(run_folder) / "reserved", {
            database: f"{server_of(cluster)} pool_size=1 reserve_pool_size=2",
            limited: f"{server_of(cluster)} pool_size=5 max_db_connections=2"},
            pool_mode="transaction", reserve_pool_timeout="0.2") as one:
        def gauges(name: str) -> list[float]:
            return [one.metric(f"howdah_pool_{gauge}", database=name)
                    for gauge in ("max_connections", "utilization_ratio")]
        for name, most in ((database, 3), (limited, 2)):
            clients = [one.connect(name) for _ in range(most)]
            for client in clients:
                client.execute("begin")  # the second and third wait for the reserve
            assert gauges(name) == [most, 1]
            for client in clients:
                client.close()
            process.wait_until(lambda: gauges(name) == [most, 0], 5, "servers at rest")


def test_lists_agree_with_the_console(watched):
    with watched.connect("howdah", prepare_threshold=None) as console:
        lists = dict(console.execute("show lists").fetchall())
        for name in ("databases", "users", "pools"):
            assert watched.metric(f"pgbouncer_{name}") == lists[name], name


def test_counters_by_statement_never_fall(run_folder, cluster, new_database):
    database = new_database("risen")
    with running(Path(run_folder) / "risen", {database: server_of(cluster)},
                 pool_mode="transaction", metrics_top_queries="1") as one:
        last: dict[tuple, float] = {}
        top = set()

        def look(calls: int) -> None:
            """Until as many calls are seen; every look is held against those before."""
            def seen() -> bool:
                families = prometheus_text(one.get("/metrics").body)
                now = {(sample.name, sample.labels["fingerprint"]): sample.value
                       for family in families for sample in family.samples
                       if "fingerprint" in sample.labels}
                assert {key: value for key, value in now.items() if value < last.get(key, 0)} == {}
                last.update(now)
                called = {key[1]: n for key, n in now.items() if key[0].endswith("_calls_total")}
                top.update(called.keys() - {"(other)"})
                shown_before = {key[1]: n for key, n in last.items()
                                if key[0].endswith("_calls_total") and key[1] not in called}
                return sum(called.values()) + sum(shown_before.values()) == calls
            process.wait_until(seen, 5, f"{calls} calls")
        with one.connect(database, prepare_threshold=None) as connection:
            connection.execute("select pg_sleep(0.1)")
            look(1)
            for calls in range(2, 6):
                connection.execute("select 1, pg_sleep(0.05)")  # one day it is the slowest in sum
                look(calls)
            connection.execute("select pg_sleep(0.3)")
            look(6)
        assert len(top) == 2


def test_pools_api(watched):
    answer = watched.get("/api/pools").json()
    [pool] = [p for p in answer["pools"] if p["database"] == "observed"]
    assert pool["user"] == USER and pool["mode"] == "transaction" and pool["servers"]["idle"] >= 1


def test_index_links_to_pages_that_answer(watched):
    index = watched.get("/")
    links = re.findall(r'href="([^"]+)"', index.body)
    assert "/api/findings" in links and len(links) == 6
    for link in links:
        assert watched.get(link).status == 200, link
    assert index.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert index.headers["X-Content-Type-Options"] == "nosniff"


def test_head_has_the_headers_of_get(watched):
    head, get = watched.get("/", "HEAD"), watched.get("/")
    assert head.status == 200 and head.body == ""
    assert head.headers["Content-Length"] == get.headers["Content-Length"] == str(len(get.body))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(watched, method):
    answer = watched.get("/metrics", method)
    assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD"


def test_unknown_pages(watched):
    assert watched.get("/nowhere").status == 404
    assert watched.get("/metrics/nothing").status == 404
    assert watched.get("/metrics/").status == 200
    slashed = watched.get("/api/queries/?limit=1&sort=calls").json()
    assert slashed["limit"] == 1 and slashed["sort"] == "calls"
    assert watched.metric("howdah_http_requests_total", path="(other)", code="404") >= 2


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "user@localhost"])
def test_names_of_other_sites_are_refused(watched, host):
    assert watched.get("/metrics", Host=host).status == 421
    assert watched.get("/healthz", Host=host).status == 421


@pytest.mark.parametrize("request_text, status", [
    (b"GET /healthz HTTP/1.1\r\n\r\n", b"400"),
    (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b"400"),
    (b"nonsense\r\n\r\n", b"400"),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", b"431"),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n123456789", b"413"),
])
def test_bad_requests_end_with_an_answer(watched, request_text, status):
    head, _, _ = request_text.partition(b"\r\n")
    if b"HTTP/1.1" in head and status == b"400":  # answered in order: ask to close
        request_text = request_text.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert watched.raw(request_text).split(b" ")[1] == status


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_http_1_0_needs_no_host(watched, path):
    """What HAProxy's httpchk and other simple checks send."""
    answer = watched.raw(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    assert answer.split(b" ")[1] == b"200"
    # Who brings one is held to it.
    answer = watched.raw(f"GET {path} HTTP/1.0\r\nHost: evil.example\r\n\r\n".encode())
    assert answer.split(b" ")[1] == b"421"


def test_requests_that_cannot_be_read_are_counted(watched):
    def counts() -> dict[str, float]:
        return {code: watched.metric("howdah_http_requests_total", path="(other)", code=code) or 0
                for code in ("400", "413", "431")}
    before = counts()
    watched.raw(b"nonsense\r\n\r\n")
    watched.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000 + b"\r\n\r\n")
    watched.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n123456789")
    assert counts() == {code: count + 1 for code, count in before.items()}


def test_many_connections_do_not_keep_others_out_for_ever(watched):
    idle = [socket.create_connection(("127.0.0.1", watched.port)) for _ in range(100)]
    for one in idle:
        one.close()
    process.wait_until(lambda: _answers(watched), 10, "free connection")


def _answers(watched) -> bool:
    try:
        return watched.get("/healthz").status == 200
    except (ConnectionError, http.client.HTTPException):
        return False


def test_a_stopped_process_is_the_only_way_not_to_be_healthy(watched):
    answer = watched.get("/healthz")
    assert answer.status == 200 and answer.json() == {
        "schema": "howdah.health/1", "healthy": True, "loops": 2}


def test_ready_follows_the_servers(run_folder, cluster, new_database):
    database = new_database("ready")
    dead = process.free_port()
    with running(Path(run_folder) / "ready", {database: server_of(cluster)}) as one:
        fresh = one.get("/readyz")  # nobody has connected yet: the server is asked
        assert fresh.status == 200
        assert fresh.json()["databases"] == [
            {"name": database, "state": "reachable", "ready": True}]
        with one.connect(database) as connection:
            connection.execute("select 1")
            assert one.get("/readyz").json()["databases"][0]["state"] == "connected"
    with running(Path(run_folder) / "unready", {
            database: server_of(cluster), "gone": f"host=127.0.0.1 port={dead}"}) as one:
        answer = one.get("/readyz")
        assert answer.status == 503
        states = {d["name"]: d["state"] for d in answer.json()["databases"]}
        assert states == {database: "reachable", "gone": "unreachable"}


def test_not_ready_while_it_drains(run_folder, cluster, new_database):
    database = new_database("drain")
    with running(Path(run_folder) / "drain", {database: server_of(cluster)},
                 pool_mode="transaction", drain_timeout="20") as one:
        with one.connect(database) as connection:
            connection.execute("begin")
            assert one.get("/readyz").status == 200
            one.proxy.process.terminate()
            process.wait_until(lambda: one.get("/readyz").status == 503, 5, "draining")
            assert one.get("/readyz").json()["reason"] == "shutting down"
            assert one.metric("howdah_draining") == 1
            with suppress(psycopg.OperationalError):  # answer and goodbye may come as one piece
                connection.execute("commit")
        assert one.proxy.process.wait(10) == 0


def test_a_token_guards_all_but_health(run_folder, cluster, new_database):
    database = new_database("guarded")
    token = Path(run_folder) / "token"
    token.write_text(TOKEN + "\n")
    with running(Path(run_folder) / "guarded", {database: server_of(cluster)},
                 http_token_file=str(token), http_hosts="db.internal") as one:
        refused = one.get("/metrics")
        assert refused.status == 401 and "Bearer" in refused.headers["WWW-Authenticate"]
        assert one.get("/metrics", Authorization=f"Bearer {TOKEN}x").status == 401
        assert one.get("/metrics", Authorization=f"Bearer {TOKEN}").status == 200
        assert one.get("/api/queries").status == 401
        assert one.get("/healthz").status == 200
        assert "databases" not in one.get("/readyz").json()
        assert "databases" in one.get("/readyz", Authorization=f"Bearer {TOKEN}").json()
        assert one.get("/healthz", Host="db.internal").status == 200


def serve_once(folder: Path, cluster, **settings: str) -> tuple[int, str]:
    """Starts a howdah that is not expected to stay."""
    folder.mkdir()
    one = proxy.Proxy(folder, {USER: PASSWORD}, databases={"*": server_of(cluster)},
                      settings=settings)
    one.port = process.free_port()
    one.write_config()
    done = subprocess.run(one.command(), capture_output=True, text=True, timeout=20,
                          env=process.clean_environment())
    return done.returncode, done.stderr


def test_an_outside_address_without_a_token_is_refused(run_folder, cluster):
    status, log = serve_once(Path(run_folder) / "outside", cluster, http_listen="0.0.0.0:0")
    assert status != 0 and "http_token_file" in log


def test_a_taken_address_is_named(run_folder, cluster):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, log = serve_once(Path(run_folder) / "taken", cluster,
                                 http_listen=f"127.0.0.1:{port}")
    assert status != 0 and f"127.0.0.1:{port}" in log
