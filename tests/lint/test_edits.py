"""Edits of findings: applied, each settles its finding, brings no other and ends in the same schema;
SARIF's fixes, which count lines and characters, leave the same bytes."""

import json
import re
import shutil

import jsonschema
import pytest

from tests.lint import test_fix
from tests.lint.test_fix import LAYOUTS, lint, prepare
from tests.lint.test_formats import SARIF
from tests.lint.test_lint import FIRST, SECOND, Folder
from tests.migrate.harness import held_to_schema

STATEMENTS = ("CREATE INDEX t_b ON t (b);",
              "ALTER TABLE t ADD COLUMN c uuid NOT NULL DEFAULT gen_random_uuid(),\n  ALTER b SET NOT NULL;",
              "ALTER TABLE t ADD CONSTRAINT u UNIQUE (b);",
              "ALTER TABLE t ADD CONSTRAINT d_known CHECK (d <> '');",
              "ALTER TABLE nokey ADD CONSTRAINT x_known FOREIGN KEY (x) REFERENCES p;")
FIXABLE = {"create-index-blocks-writes", "add-check-validates", "set-not-null-scans", "add-foreign-key-validates",
           "add-unique-builds-index", "lock-timeout-missing", "add-column-volatile-default-rewrites"}

# Much in one transaction, as generated migrations have it: keys before their indexes, a constraint
# that takes another's place, a trigger.
LARGE = ("ALTER TABLE t ADD CONSTRAINT t_a_p FOREIGN KEY (a) REFERENCES p (id);",
         "CREATE INDEX t_a_b ON t (a, b);",
         "ALTER TABLE t ADD COLUMN c uuid NOT NULL DEFAULT gen_random_uuid(),\n"
         "  ADD COLUMN e text,\n  ADD CONSTRAINT d_known CHECK (d <> '');",
         "ALTER TABLE t DROP CONSTRAINT t_b_positive,\n"
         "  ADD CONSTRAINT t_b_positive CHECK (b >= 0);",
         "ALTER TABLE t ALTER b SET NOT NULL;",
         "CREATE INDEX nokey_x ON nokey (x);",
         "ALTER TABLE nokey ADD CONSTRAINT nokey_p FOREIGN KEY (x) REFERENCES p (id);",
         "ALTER TABLE p ADD CONSTRAINT p_code UNIQUE (code);",
         "UPDATE t SET e = 'e' WHERE e IS NULL;")
LARGE_FIXABLE = (FIXABLE - {"lock-timeout-missing"}) | {"work-while-locked"}
OWN_BLOCK = ("plain", "prisma", "golang-migrate")  # BEGIN and COMMIT stand in the file


def apply_bytes(folder, edits: list[dict]) -> None:
    """As the JSON has them: bytes [begin, end) of the files as they are."""
    for edit in sorted(edits, key=lambda one: -one["begin"]):
        file = folder / edit["file"]
        file.parent.mkdir(parents=True, exist_ok=True)
        text = file.read_bytes() if file.exists() else b""
        assert edit["begin"] <= edit["end"] <= len(text)
        file.write_bytes(text[:edit["begin"]] + edit["text"].encode() + text[edit["end"]:])


def apply_regions(folder, fix: dict) -> None:
    """As SARIF has them: lines and characters from 1."""
    for change in fix["artifactChanges"]:
        file = folder / change["artifactLocation"]["uri"]
        file.parent.mkdir(parents=True, exist_ok=True)
        text = file.read_bytes().decode() if file.exists() else ""
        lines = [0] + [at.end() for at in re.finditer("\n", text)]
        for one in reversed(change["replacements"]):
            region = one["deletedRegion"]
            begin = lines[region["startLine"] - 1] + region["startColumn"] - 1
            end = lines[region["endLine"] - 1] + region["endColumn"] - 1
            text = text[:begin] + one["insertedContent"]["text"] + text[end:]
        file.write_bytes(text.encode())


def files_of(folder) -> dict:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*")
            if path.is_file()}


def told(document: dict) -> list[str]:
    return sorted(f["rule"] + ": " + re.sub(r"line \d+", "line", f["message"])
                  for f in document["findings"])


def distinct_edits(document: dict) -> list[tuple[dict, list[dict]]]:
    seen, found = set(), []
    for finding in document["findings"]:
        key = json.dumps(finding["edits"])
        if finding["edits"] and key not in seen:
            seen.add(key)
            found.append((finding, finding["edits"]))
    return found


@pytest.mark.parametrize("tool", LAYOUTS)
def test_each_edit_settles_its_finding_in_the_same_schema(sandbox, tool, monkeypatch):
    monkeypatch.setattr(test_fix, "SECOND", STATEMENTS)
    folder, _ = prepare(sandbox, tool)
    document = held_to_schema(lint(sandbox, folder))
    assert {f["rule"] for f in document["findings"] if f["edits"]} >= FIXABLE
    hold_to_edits(sandbox, folder, document)


@pytest.mark.parametrize("tool", LAYOUTS)
def test_a_large_transaction_has_edits_too(sandbox, tool, monkeypatch):
    block = tool in OWN_BLOCK
    monkeypatch.setattr(test_fix, "FIRST", (
        *test_fix.FIRST, "ALTER TABLE t ADD CONSTRAINT t_b_positive CHECK (b > 0);"))
    monkeypatch.setattr(test_fix, "SECOND", ("BEGIN;", *LARGE, "COMMIT;") if block else LARGE)
    folder, _ = prepare(sandbox, tool)
    document = held_to_schema(lint(sandbox, folder))
    newest = document["findings"][0]["file"]
    found = {f["rule"] for f in document["findings"] if f["file"] == newest and f["edits"]}
    assert found >= LARGE_FIXABLE, LARGE_FIXABLE - found
    hold_to_edits(sandbox, folder, document)


def hold_to_edits(sandbox, folder, document):
    """Each edit of a finding settles it, brings no other, and leads to the same schema."""
    sandbox.up(folder)
    wanted = sandbox.dump()
    kept = sandbox.folder / "kept"
    shutil.copytree(sandbox.folder / folder, kept)
    for finding, edits in distinct_edits(document):
        apply_bytes(sandbox.folder, edits)
        after, before = told(lint(sandbox, folder)), told(document)
        own = told({"findings": [finding]})[0]
        assert after.count(own) < before.count(own), finding
        for one in set(after):
            assert after.count(one) <= before.count(one), (finding, one)
        sandbox.recreate()
        sandbox.up(folder)
        assert sandbox.dump() == wanted, edits
        assert sandbox.sql("select count(*) from pg_index where not indisvalid") == "0"
        assert sandbox.sql("select count(*) from pg_constraint where not convalidated") == "0"
        shutil.rmtree(sandbox.folder / folder)
        shutil.copytree(kept, sandbox.folder / folder)


@pytest.fixture
def odd(tmp_path):
    """Characters of several bytes before and in what is replaced, and no line's end at the end."""
    made = Folder(tmp_path)
    made.write("migrations/0001_a.sql", FIRST)
    made.write("migrations/0002_b.sql", "-- \u00e4 \U0001f418\r\nSELECT '\u00e4'; " + SECOND
               + 'CREATE INDEX "\u00e9t\u00e9" ON t (b, a)')
    return made


def test_sarif_fixes_say_the_same(odd):
    document = held_to_schema(json.loads(odd.lint("--format", "json").stdout))
    sarif = json.loads(odd.lint("--format", "sarif").stdout)
    jsonschema.validate(sarif, SARIF)
    results = sarif["runs"][0]["results"]
    before = files_of(odd.path)
    count = 0
    for finding, result in zip(document["findings"], results, strict=True):
        assert finding["rule"] == result["ruleId"]
        assert bool(finding["edits"]) == ("fixes" in result)
        if not finding["edits"]:
            continue
        count += 1
        apply_bytes(odd.path, finding["edits"])
        by_bytes = files_of(odd.path)
        for name in by_bytes.keys() - before.keys():
            (odd.path / name).unlink()
        for name, text in before.items():
            (odd.path / name).write_bytes(text)
        apply_regions(odd.path, result["fixes"][0])
        assert files_of(odd.path) == by_bytes != before
        for name in by_bytes.keys() - before.keys():
            (odd.path / name).unlink()
        for name, text in before.items():
            (odd.path / name).write_bytes(text)
    assert count > 4


def edits_by_file(folder, *words) -> dict:
    document = json.loads(folder.lint(*words, "--format", "json").stdout)
    found = {}
    for finding in document["findings"]:
        found.setdefault(finding["file"], []).append(bool(finding["edits"]))
    return {name: any(each) for name, each in found.items()}


def test_only_files_that_may_change_have_edits(odd):
    odd.write("migrations/0003_c.sql", "CREATE INDEX late ON t (a, b);\n")
    assert edits_by_file(odd, "migrations") == {"migrations/0002_b.sql": False,
                                                "migrations/0003_c.sql": True}
    assert edits_by_file(odd, "migrations/0002_b.sql") == {"migrations/0002_b.sql": True}
    odd.git("init", "-q")
    odd.git("add", "migrations/0001_a.sql")
    odd.git("commit", "-q", "-m", "first")
    assert all(edits_by_file(odd, "migrations", "--changed").values())


def test_a_file_that_is_not_utf8_has_no_edits(odd):
    file = odd.path / "migrations/0003_c.sql"
    file.write_bytes(b"-- \xff\nCREATE INDEX late ON t (a, b);\n")
    assert edits_by_file(odd, "migrations")["migrations/0003_c.sql"] is False


@pytest.mark.parametrize("end", [";\n", "; -- what was bought\n", "", " ;;\n"])
def test_a_new_tables_key_gets_its_index(tmp_path, end):
    folder = Folder(tmp_path)
    folder.write("migrations/0001_a.sql", FIRST)
    folder.write("migrations/0002_b.sql", "SET lock_timeout = '2s';\nCREATE TABLE \"o\u00e9\" (id "
                 f'bigint PRIMARY KEY, "T" bigint REFERENCES t (id)){end}')
    [found] = [f for f in json.loads(folder.lint("--format", "json").stdout)["findings"]
               if f["rule"] == "foreign-key-without-index"]
    apply_bytes(folder.path, found["edits"])
    text = (folder.path / "migrations/0002_b.sql").read_text()
    assert 'CREATE INDEX ON o\u00e9 ("T")' in text
    assert "-- what" not in text or text.index("-- what") < text.index("CREATE INDEX")
    assert "foreign-key-without-index" not in folder.rules() and "syntax-error" not in folder.rules()


def test_the_key_of_a_table_in_use_does_not(tmp_path):
    folder = Folder(tmp_path)
    folder.write("migrations/0001_a.sql", FIRST)
    folder.write("migrations/0002_b.sql", "ALTER TABLE t ADD COLUMN p_id bigint REFERENCES p (id);\n")
    [found] = [f for f in json.loads(folder.lint("--format", "json").stdout)["findings"]
               if f["rule"] == "foreign-key-without-index"]
    assert found["edits"] == []


def test_lock_timeout_settles_what_waits_with_it(tmp_path):
    folder = Folder(tmp_path)
    folder.write("migrations/0001_a.sql", FIRST)
    folder.write("migrations/0002_b.sql", "CREATE TABLE u (id bigint PRIMARY KEY, t_id bigint "
                 "REFERENCES t (id));\nCREATE INDEX ON u (t_id);\nDROP TRIGGER g ON t;\n")
    found = json.loads(folder.lint("--format", "json").stdout)["findings"]
    edits = {f["rule"]: f["edits"] for f in found}
    assert edits["second-table-lock"] and edits["trigger-change-blocks"]
    apply_bytes(folder.path, edits["second-table-lock"])
    assert "second-table-lock" not in folder.rules()
