from tests.migrate.conftest import sandbox  # the fixture, under its own name

__all__ = ["sandbox"]
