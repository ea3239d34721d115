"""How much memory a lint takes: what is read ahead, the schema, the findings; never all files."""

import json
import subprocess
import sys

import pytest

from tests.migrate.harness import PRESET
from tools import build, process

KIB = 1024
FEW, MANY = 1_000, 4_000
# Measured: 15 MiB, and 0.5 KiB more for each file (its name, its verdict). The tree of one of these
# files alone takes 30 KiB.
START_KIB_MAX = 40 * KIB
FILE_KIB_MAX = 3
FINDING_KIB_MAX = 6  # text, place, impact and fix; measured 4.5

pytestmark = pytest.mark.skipif(PRESET in ("asan", "tsan"), reason="a sanitizer's own memory")

# Linux counts what the process was before exec(): it has to be started by a small one.
MEASURE = """
import os, sys
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
run = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ,
                     file_actions=[(os.POSIX_SPAWN_DUP2, out, 1)])
_, status, usage = os.wait4(run, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""

WITHOUT_FINDINGS = """\
CREATE TABLE item_{n} (id bigint PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL);
CREATE INDEX item_{n}_name ON item_{n} (name);
ALTER TABLE item_{n} ADD COLUMN extra jsonb NOT NULL DEFAULT '{{}}';
INSERT INTO item_{n} (id, name) SELECT g, 'x' FROM generate_series(1, 10) g;
CREATE FUNCTION item_{n}_f() RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN 1; END$$;
DROP FUNCTION item_{n}_f();
DROP TABLE item_{n};
"""
TWO_FINDINGS = "SET lock_timeout = '2s';\nALTER TABLE orders ALTER COLUMN c{n} SET NOT NULL;\n"


def peak_kib(folder, text: str, count: int) -> tuple[int, int]:
    """The most that the process held at once, and the findings."""
    migrations = folder / f"m{count}"
    migrations.mkdir()
    for number in range(count):
        (migrations / f"{number:05}_step.sql").write_text(text.format(n=number))
    command = [str(build.binary(PRESET)), "lint", str(migrations), "--format", "json", "--fail-on",
               "never"]
    run = subprocess.run([sys.executable, "-c", MEASURE, str(folder / f"{count}.json"), *command],
                         capture_output=True, text=True, env=process.clean_environment())
    assert run.returncode == 0, run.stderr
    document = json.loads((folder / f"{count}.json").read_text())
    assert document["summary"]["files"] == count
    return int(run.stdout), document["summary"]["total"]


def test_files_leave_nothing_behind_but_what_is_said_of_them(tmp_path):
    few, found = peak_kib(tmp_path, WITHOUT_FINDINGS, FEW)
    many, found_in_many = peak_kib(tmp_path, WITHOUT_FINDINGS, MANY)
    assert found == found_in_many == 0
    assert few <= START_KIB_MAX
    assert (many - few) / (MANY - FEW) <= FILE_KIB_MAX


def test_findings_cost_what_they_say(tmp_path):
    few, found = peak_kib(tmp_path, TWO_FINDINGS, FEW)
    many, found_in_many = peak_kib(tmp_path, TWO_FINDINGS, MANY)
    assert found >= 2 * FEW and found_in_many >= 2 * MANY
    assert (many - few) / (found_in_many - found) <= FINDING_KIB_MAX
