"""Clients of a module's own pooler: by message (`pooler`, `database`), and psycopg's (`uri`)."""

import contextlib

import psycopg
import pytest

from tests.conftest import PASSWORD, USER
from tests.proxy import wire_client as wire


@pytest.fixture(scope="module")
def uris(cluster, pooler, database):
    return {"direct": cluster.primary.uri(USER, PASSWORD, database),
            "howdah": pooler.uri(database)}


@pytest.fixture
def open_client(uris):
    """open_client(where, **options): closed at the end of the test."""
    with contextlib.ExitStack() as stack:
        def make(where="howdah", **options):
            client = wire.Client(uris[where], **options)
            stack.callback(client.close)
            return client
        yield make


@pytest.fixture
def connect(uri):
    """connect(**options): psycopg that does not prepare; closed at the end of the test."""
    with contextlib.ExitStack() as stack:
        def open_one(**options):
            options.setdefault("prepare_threshold", None)
            return stack.enter_context(psycopg.connect(uri, autocommit=True, **options))
        yield open_one
