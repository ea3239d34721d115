import itertools

import pytest

from tests.migrate.harness import Sandbox

numbers = itertools.count(1)


@pytest.fixture
def sandbox(cluster, tmp_path):
    one = Sandbox(cluster, tmp_path, f"migrate_{next(numbers)}")
    yield one
    one.server.sql(f"drop database if exists {one.name} with (force)")
