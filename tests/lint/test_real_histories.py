"""--fix on a real history (crates.io's): each fixed migration runs and ends in the same schema."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lint.test_lint import Folder
from tools import process
from tools.pgcluster import BIN, SUPERUSER

DATA = Path(os.environ.get("HOWDAH_TEST_DATA", "")) / "crates-io-migrations"
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
    if "files written" not in folder.lint("migrations", "--fix", status=0).stdout:
        return None
    known = {file.name for file in files[:-1]}
    return [path for path in in_version_order(folder.path / "migrations") if path.name not in known]


@pytest.mark.skipif(not DATA.is_dir(), reason="no crates-io-migrations under HOWDAH_TEST_DATA")
def test_crates_io(cluster, tmp_path):
    server = cluster.primary

    def run(database, files):
        words = [word for file in files for word in ("-f", str(file))]
        done = subprocess.run([BIN / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", server.sockets,
                               "-p", str(server.port), "-U", SUPERUSER, "-d", database, *words],
                              capture_output=True, text=True, env=process.clean_environment())
        assert done.returncode == 0, f"{files[-1].name}: {done.stderr}"

    def dump(database):
        text = process.run([BIN / "pg_dump", "-h", server.sockets, "-p", str(server.port), "-U",
                            SUPERUSER, "-d", database, "--schema-only"])
        return re.sub(r"^\\(un)?restrict .*\n", "", text, flags=re.MULTILINE)

    files = in_version_order(DATA)
    server.sql("create database crates_io")
    ran = tested = seen = 0
    for number, file in enumerate(files):
        if not re.search(r"(?i)alter table|index", file.read_text()) or number % EVERY:
            continue
        fixed = splits(tmp_path, files[:number + 1])
        if fixed is None:
            continue
        seen += 1
        if seen % EVERY:
            continue
        if number > ran:
            run("crates_io", files[ran:number])
        server.sql("create database crates_io_fixed template crates_io")
        run("crates_io_fixed", fixed)
        run("crates_io", [file])
        ran = number + 1
        assert dump("crates_io_fixed") == dump("crates_io"), file.name
        server.sql("drop database crates_io_fixed")
        tested += 1
    assert tested >= 8
