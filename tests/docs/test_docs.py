"""Command blocks in the documentation that are tagged to run do run.

A block opened with ```sh run is executed as it stands, by bash that stops at the first failure, in
the folder of its document, with `howdah` on the PATH and PG* variables for a PostgreSQL of ours.
"""

import os
import re
import subprocess

import pytest

from tests.conftest import PASSWORD, USER
from tools import process, proxy, tidy
from tools.shell import ROOT

BLOCK = re.compile(r"^```sh run\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SECONDS_MAX = 120


def blocks():
    for path in tidy.tracked():
        if path.endswith(".md"):
            text = (ROOT / path).read_text()
            for match in BLOCK.finditer(text):
                yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}", match.group(1)


BLOCKS = list(blocks())


@pytest.mark.parametrize("commands", [b for _, b in BLOCKS], ids=[name for name, _ in BLOCKS])
def test_block_runs(request, cluster, commands):
    path = request.node.callspec.id.rsplit(":", 1)[0]
    cluster.primary.sql(f"alter role {USER} createdb")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=(ROOT / path).parent, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS_MAX,
        env={**process.clean_environment(), "PGHOST": "127.0.0.1",
             "PGPORT": str(cluster.primary.port), "PGUSER": USER, "PGPASSWORD": PASSWORD,
             "PATH": f"{proxy.program().parent}:/usr/bin:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stdout


def test_there_are_blocks_to_run():
    assert any(name.startswith("examples/pantrycrm/README.md") for name, _ in BLOCKS)
