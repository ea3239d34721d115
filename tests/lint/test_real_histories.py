"""--fix on whole histories: each fixed migration runs and ends in the same schema.

A small one stands beside this file; crates.io's is in HOWDAH_TEST_DATA, or in shared/data beside the
working copy."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lint.test_lint import Folder
from tools import process
from tools.pgcluster import BIN, SUPERUSER
from tools.shell import ROOT

OWN = Path(__file__).parent / "history"
DATA = Path(os.environ.get("HOWDAH_TEST_DATA") or ROOT.parent / "shared" / "data")
CRATES_IO = DATA / "crates-io-migrations"
EVERY = 3  # of the migrations, and of those that are split: the others are of the same kinds


def in_version_order(folder: Path) -> list[Path]:
    def version(path):
        return re.match(r"[0-9-]*", path.name)[0].replace("-", "")[:14], path.name
    return sorted(folder.glob("*.sql"), key=version)


def splits(tmp_path: Path, files: list[Path]) -> list[str] | None:
    """What --fix makes of the last of `files`, in run order; None where it leaves it alone."""
    folder = Folder(tmp_path / "run")
    shutil.rmtree(folder.path, ignore_errors=True)
    (folder.path / "migrations").mkdir(parents=True)
    for file in files:
        shutil.copy(file, folder.path / "migrations" / file.name)
    if " written\n" not in folder.lint("migrations", "--fix", status=0).stdout:
        return None
    known = {file.name for file in files[:-1]}
    return [path for path in in_version_order(folder.path / "migrations") if path.name not in known]


class Histories:
    """A history in one database; each migration's split in a copy of it."""

    def __init__(self, server, name: str):
        self.server, self.name = server, name
        server.sql(f"create database {name}")

    def run(self, database: str, files: list[Path]) -> None:
        words = [word for file in files for word in ("-f", str(file))]
        done = subprocess.run([BIN / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h",
                               self.server.sockets, "-p", str(self.server.port), "-U", SUPERUSER,
                               "-d", database, *words],
                              capture_output=True, text=True, env=process.clean_environment())
        assert done.returncode == 0, f"{files[-1].name}: {done.stderr}"

    def dump(self, database: str) -> str:
        text = process.run([BIN / "pg_dump", "-h", self.server.sockets, "-p", str(self.server.port),
                            "-U", SUPERUSER, "-d", database, "--schema-only"])
        return re.sub(r"^\\(un)?restrict .*\n", "", text, flags=re.MULTILINE)

    def compare(self, tmp_path: Path, files: list[Path], every: int) -> int:
        """How many splits ended in the schema of what they came from."""
        ran = tested = seen = 0
        for number, file in enumerate(files):
            if not re.search(r"(?i)alter table|index", file.read_text()) or number % every:
                continue
            fixed = splits(tmp_path, files[:number + 1])
            if fixed is None:
                continue
            seen += 1
            if seen % every:
                continue
            if number > ran:
                self.run(self.name, files[ran:number])
            self.server.sql(f"create database {self.name}_fixed template {self.name}")
            self.run(f"{self.name}_fixed", fixed)
            self.run(self.name, [file])
            ran = number + 1
            assert self.dump(f"{self.name}_fixed") == self.dump(self.name), file.name
            self.server.sql(f"drop database {self.name}_fixed")
            tested += 1
        return tested


def test_our_own(cluster, tmp_path):
    histories = Histories(cluster.primary, "own_history")
    assert histories.compare(tmp_path, in_version_order(OWN), 1) >= 7


@pytest.mark.skipif(not CRATES_IO.is_dir(), reason=f"no {CRATES_IO}")
def test_crates_io(cluster, tmp_path):
    histories = Histories(cluster.primary, "crates_io")
    assert histories.compare(tmp_path, in_version_order(CRATES_IO), EVERY) >= 8
