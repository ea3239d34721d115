"""tools/pgcluster.py: what tests, demo and benchmarks rely on."""

import shutil
import signal

import pytest

from tools import process
from tools.pgcluster import FAST, Cluster
from tools.shell import Failed


@pytest.fixture(scope="module")
def folder():
    path = process.server_folder("test-pgcluster")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def cluster(folder):
    with Cluster(folder, replicas=2, settings=FAST) as running:
        yield running


def test_replicas_show_what_the_primary_committed(cluster):
    cluster.primary.sql("create table t (n int); insert into t values (1)")
    cluster.wait_replayed()
    assert [r.sql("select n from t") for r in cluster.replicas] == ["1", "1"]
    assert [r.sql("select pg_is_in_recovery()") for r in cluster.replicas] == ["t", "t"]


def test_data_survives_a_stop_and_a_kill(cluster):
    assert cluster.primary.sql("select n from t") == "1"
    cluster.primary.sql("insert into t values (2)")
    cluster.primary.kill()
    cluster.primary.start()
    assert cluster.primary.sql("select count(*) from t") == "2"


def test_server_that_a_killed_run_left_is_ended_first(cluster, folder):
    left = cluster.primary.process
    again = Cluster(folder, settings=FAST)
    again.start()
    try:
        assert left.wait(10) is not None
        assert again.primary.sql("select count(*) from t") == "2"
    finally:
        again.stop()


def test_stalled_server_answers_again_after_resume(cluster):
    cluster.primary.pause()
    with pytest.raises(Failed, match="no answer"):
        process.wait_until(lambda: answers(cluster.primary), 0.5, "answer")
    cluster.primary.resume()
    process.wait_until(lambda: answers(cluster.primary), 10, "answer")


def answers(server) -> bool:
    """pg_isready gives up after a second and says so by its status."""
    try:
        process.run(["pg_isready", "-t", "1", "-h", server.sockets, "-p", str(server.port)])
        return True
    except Failed:
        return False


def test_promoted_replica_is_followed_by_the_other(cluster):
    chosen, other = cluster.replicas
    old = cluster.primary
    cluster.promote(chosen)
    old.stop(signal.SIGQUIT)
    chosen.sql("insert into t values (3)")
    cluster.wait_replayed()
    assert other.sql("select count(*) from t") == "3"
