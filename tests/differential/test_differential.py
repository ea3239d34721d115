"""The same messages to PostgreSQL and through howdah: equal answers. A failure prints its seed.

By hand, and many more: python3 -m tests.differential.compare --runs 1000 --mode transaction
"""

import pytest

from tests.differential import compare

SEEDS = 25


@pytest.fixture(scope="module")
def databases(cluster):
    compare.prepare_databases(cluster.primary)


@pytest.mark.parametrize("backend", compare.BACKENDS)
@pytest.mark.parametrize("mode", compare.MODES)
def test_answers_are_postgresqls(databases, cluster, start_howdah, mode, backend):
    pooler = start_howdah(f"diff-{mode}-{backend}", **compare.settings(mode, backend))
    bench = compare.Bench(cluster.primary, pooler.uri, mode, backend)
    try:
        steps = sum(bench.run(seed) for seed in range(1, SEEDS + 1))
    finally:
        bench.close()
    assert steps > SEEDS * 5


def test_a_planted_difference_is_seen(databases, cluster, start_howdah, monkeypatch):
    """The comparison itself: one answer that is not PostgreSQL's must not pass."""
    pooler = start_howdah("diff-canary", **compare.settings("transaction", "epoll"))
    bench = compare.Bench(cluster.primary, pooler.uri, "transaction", "epoll")
    ask, asked = compare.Side.ask, []

    def tampered(side, number, step):
        answers = ask(side, number, step)
        asked.append(side)
        if side.uri == bench.uris["howdah"] and len(asked) > 6:
            answers.insert(0, compare.wire.Message("C", b"SELECT 0\0"))
        return answers
    monkeypatch.setattr(compare.Side, "ask", tampered)
    try:
        with pytest.raises(compare.Difference, match="seed 3, transaction mode"):
            bench.run(3)
    finally:
        bench.close()
