"""docs/migrate.md and docs/deploy.md: their commands run, their settings are read, their files are
there."""

import re
import shlex

import pytest

from tools.shell import ROOT

PAGES = [ROOT / "docs" / "migrate.md", ROOT / "docs" / "deploy.md"]


def blocks(page, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_run(sandbox, page):
    sandbox.write("migrations/1_first.sql", "create table users (id int primary key);\n")
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    assert len(lines) >= 2
    for line in lines:
        sandbox.run(*shlex.split(line, comments=True)[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_settings_are_read(sandbox, page):
    text, = blocks(page, "toml")
    sandbox.write("drizzle/meta/_journal.json", '{"entries": []}')
    sandbox.write("howdah.toml", text)
    assert '"pending":0' in sandbox.run("migrate", "status", "--format", "json").stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target
