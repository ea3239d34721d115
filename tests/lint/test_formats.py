"""What machines read, held to what its readers demand: SARIF 2.1.0 (OASIS, sections 3.13 to 3.52),
GitLab's code quality report, GitHub's workflow commands."""

import json
import re

import jsonschema
import pytest

from tests.lint.test_lint import Folder, SECOND, FIRST
from tests.migrate.harness import npm_place

TEXT = {"type": "string", "minLength": 1}
MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": TEXT}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
POSITIVE = {"type": "integer", "minimum": 1}
REGION = {"type": "object", "required": ["startLine", "startColumn", "endLine", "endColumn"],
          "additionalProperties": {"type": "integer", "minimum": 1}}
ARTIFACT = {"type": "object", "required": ["uri"],
            "properties": {"uri": {"type": "string", "pattern": "^[^\\\\ ]+$"}}}
FIX = {  # 3.55 to 3.57
    "type": "object", "required": ["artifactChanges"], "additionalProperties": False, "properties": {
        "description": MESSAGE,
        "artifactChanges": {"type": "array", "minItems": 1, "uniqueItems": True, "items": {
            "type": "object", "required": ["artifactLocation", "replacements"],
            "additionalProperties": False, "properties": {
                "artifactLocation": ARTIFACT,
                "replacements": {"type": "array", "minItems": 1, "items": {
                    "type": "object", "required": ["deletedRegion"], "additionalProperties": False,
                    "properties": {"deletedRegion": REGION, "insertedContent": {
                        "type": "object", "required": ["text"],
                        "properties": {"text": {"type": "string"}}}}}}}}}}}
SARIF = {
    "type": "object", "required": ["version", "runs"], "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "pattern": "sarif.*2\\.1\\.0"}, "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["tool", "results"], "properties": {
                "tool": {"type": "object", "required": ["driver"], "properties": {"driver": {
                    "type": "object", "required": ["name"], "properties": {
                        "name": TEXT, "semanticVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
                        "rules": {"type": "array", "uniqueItems": True, "items": {
                            "type": "object", "required": ["id"], "properties": {
                                "id": TEXT, "shortDescription": MESSAGE, "help": MESSAGE,
                                "defaultConfiguration": {"properties": {"level": LEVEL}}}}}}}}},
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "results": {"type": "array", "items": {
                    "type": "object", "required": ["message", "ruleId", "level"], "properties": {
                        "ruleId": TEXT, "level": LEVEL, "message": MESSAGE,
                        "partialFingerprints": {"type": "object", "additionalProperties": TEXT},
                        "fixes": {"type": "array", "minItems": 1, "uniqueItems": True,
                                  "items": FIX},
                        "locations": {"type": "array", "items": {
                            "type": "object", "required": ["physicalLocation"], "properties": {
                                "physicalLocation": {
                                    "type": "object", "required": ["artifactLocation"],
                                    "properties": {
                                        "artifactLocation": {"required": ["uri"], "properties": {
                                            "uri": {"type": "string", "pattern": "^[^\\\\ ]+$"}}},
                                        "region": {"required": ["startLine"], "properties": {
                                            "startLine": POSITIVE, "startColumn": POSITIVE,
                                            "endLine": POSITIVE, "endColumn": POSITIVE}}}}}}}}}}}}}}}
GITLAB = {"type": "array", "items": {
    "type": "object", "required": ["description", "check_name", "fingerprint", "severity", "location"],
    "properties": {
        "description": TEXT, "check_name": TEXT, "fingerprint": TEXT,
        "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
        "location": {"type": "object", "required": ["path", "lines"], "properties": {
            "path": {"type": "string", "pattern": "^[^/]"},
            "lines": {"type": "object", "required": ["begin"], "properties": {"begin": POSITIVE}}}}}}}
GITHUB = re.compile(r"::(error|warning|notice) file=[^,:]+,line=[1-9]\d*(,endLine=[1-9]\d*)?"
                    r"(,col=[1-9]\d*)?(,endColumn=[1-9]\d*)?,title=[^,:]+::\S.*")
TRAPS = ("CREATE TABEL x (a int);\n"
         "ALTER TABLE t RENAME a TO \"a, b: %c\"; DROP INDEX i;\n"
         "DROP TABLE \"\u00e9t\u00e9\", t;\n-- howdah-ignore drop-table -- not here\n")


@pytest.fixture(scope="session")
def oasis():
    """The standard's own schema, as an npm package brings it."""
    return json.loads((npm_place("sarif") / "node_modules/@microsoft/jest-sarif/lib/schemas/"
                       "sarif-2.1.0-rtm.5.json").read_text())


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path)
    made.write("migrations/0001_a.sql", FIRST)
    made.write("migrations/0002_b.sql", SECOND)
    made.write("migrations/0003_c.sql", TRAPS)
    return made


def test_sarif(folder, oasis):
    document = json.loads(folder.lint("--format", "sarif", status=1).stdout)
    jsonschema.validate(document, SARIF)
    jsonschema.validate(document, oasis)
    run = document["runs"][0]
    known = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert {result["ruleId"] for result in run["results"]} <= set(known)
    folder.write("migrations/0003_c.sql", "")
    fixed = json.loads(folder.lint("migrations/0002_b.sql", "--format", "sarif").stdout)
    jsonschema.validate(fixed, SARIF)
    jsonschema.validate(fixed, oasis)
    assert any("fixes" in result for result in fixed["runs"][0]["results"])
    folder.write("migrations/0003_c.sql", TRAPS)
    prints = [tuple(result["partialFingerprints"].values()) for result in run["results"]]
    assert len(set(prints)) == len(prints)
    folder.write("migrations/0003_c.sql", "\n\n" + TRAPS)
    moved = json.loads(folder.lint("--format", "sarif").stdout)["runs"][0]["results"]
    assert sorted(tuple(r["partialFingerprints"].values()) for r in moved) == sorted(prints), \
        "fingerprints do not hang on line numbers"


def test_gitlab(folder):
    document = json.loads(folder.lint("--format", "gitlab", status=1).stdout)
    jsonschema.validate(document, GITLAB)
    assert len({entry["fingerprint"] for entry in document}) == len(document)


def test_github(folder):
    lines = folder.lint("--format", "github", status=1).stdout.splitlines()
    assert len(lines) > 8
    for line in lines:
        assert GITHUB.fullmatch(line), line


def test_all_formats_agree(folder):
    findings = json.loads(folder.lint("--format", "json").stdout)["findings"]
    sarif = json.loads(folder.lint("--format", "sarif").stdout)["runs"][0]["results"]
    gitlab = json.loads(folder.lint("--format", "gitlab").stdout)
    wanted = [(f["rule"], f["line"]) for f in findings]
    assert wanted == [(r["ruleId"], r["locations"][0]["physicalLocation"]["region"]["startLine"])
                      for r in sarif]
    assert wanted == [(e["check_name"], e["location"]["lines"]["begin"]) for e in gitlab]
    assert len(folder.lint("--format", "github").stdout.splitlines()) == len(wanted)


def test_markdown_is_in_order(folder):
    report = folder.lint("--format", "markdown").stdout
    parts = [report.index(title) for title in ("## Summary", "## Issues", "## Recommendations",
                                               "## Locks")]
    assert parts == sorted(parts)
    assert re.search(r"\*\*\[ERROR\]\*\* line 1:", report)
    issues = report[parts[1]:parts[2]]
    risks = re.findall(r"risk (high|medium|low|none)\)", issues)
    assert risks == sorted(risks, key=["high", "medium", "low", "none"].index)
    advice = re.findall(r"^- \*\*\[(HIGH|MEDIUM|LOW)\]\*\*", report[parts[2]:], re.MULTILINE)
    assert advice == sorted(advice, key=["HIGH", "MEDIUM", "LOW"].index) and len(set(advice)) > 1
