"""deploy/ci: the templates are what GitHub and GitLab accept, and every howdah command in them is
one that the program has. The keys are those of both systems' published references."""

import re
import shlex
import subprocess

import jsonschema
import pytest
import yaml

from tests.migrate.harness import PRESET
from tools import build
from tools.shell import ROOT

GITHUB = ROOT / "deploy" / "ci" / "github" / "howdah.yml"
GITLAB = ROOT / "deploy" / "ci" / "gitlab" / "howdah.gitlab-ci.yml"


def keys(properties: dict, *required: str) -> dict:
    return {"type": "object", "properties": properties, "required": list(required),
            "additionalProperties": False}


TEXT, MAP, LIST = {"type": "string"}, {"type": "object"}, {"type": "array", "minItems": 1}
CONCURRENCY = keys({"group": TEXT, "cancel-in-progress": {"type": "boolean"}}, "group")
STEP = {"oneOf": [
    keys({"name": TEXT, "if": TEXT, "uses": {"type": "string", "pattern": "^[\\w.-]+/[\\w./-]+@v\\d"},
          "with": MAP, "env": MAP}, "uses"),
    keys({"name": TEXT, "if": TEXT, "run": TEXT, "env": MAP}, "run")]}
SERVICE = keys({"image": TEXT, "env": MAP, "ports": LIST, "options": TEXT}, "image")
GITHUB_JOB = keys({
    "runs-on": TEXT, "timeout-minutes": {"type": "integer"}, "needs": {"type": ["string", "array"]},
    "if": TEXT, "env": MAP, "environment": TEXT, "concurrency": CONCURRENCY,
    "services": {"type": "object", "additionalProperties": SERVICE},
    "steps": {**LIST, "items": STEP}}, "runs-on", "steps", "timeout-minutes")
GITHUB_SCHEMA = keys({
    "name": TEXT, "on": MAP, "permissions": MAP, "concurrency": CONCURRENCY,
    "jobs": {"type": "object", "minProperties": 1, "additionalProperties": GITHUB_JOB}},
    "on", "jobs", "permissions")

RULE = keys({"if": TEXT, "when": {"enum": ["manual", "always", "never", "on_success"]},
             "allow_failure": {"type": "boolean"}})
SCRIPT = {**LIST, "items": TEXT}
GITLAB_JOB = keys({
    "stage": TEXT, "image": TEXT, "rules": {**LIST, "items": RULE}, "script": SCRIPT,
    "before_script": SCRIPT, "services": {**LIST, "items": keys({"name": TEXT, "alias": TEXT}, "name")},
    "variables": {"type": "object", "additionalProperties": TEXT},
    "environment": keys({"name": TEXT}, "name"), "resource_group": TEXT,
    "interruptible": {"type": "boolean"},
    "artifacts": keys({"when": TEXT, "paths": LIST, "expire_in": TEXT,
                       "reports": keys({"codequality": TEXT})})}, "stage", "script")
GITLAB_SCHEMA = {"type": "object", "required": ["stages"], "properties": {
    "stages": LIST, "default": keys({"image": TEXT, "before_script": SCRIPT})},
    "additionalProperties": GITLAB_JOB}


def load(path):
    document = yaml.safe_load(path.read_text())
    if True in document:  # YAML 1.1 reads a bare `on` as true; GitHub does not
        document["on"] = document.pop(True)
    return document


def scripts() -> list[str]:
    github = [step["run"] for job in load(GITHUB)["jobs"].values() for step in job["steps"]
              if "run" in step]
    gitlab = [line for job in load(GITLAB).values() if isinstance(job, dict)
              for line in job.get("script", [])]
    return github + gitlab


@pytest.mark.parametrize("path, schema", [(GITHUB, GITHUB_SCHEMA), (GITLAB, GITLAB_SCHEMA)],
                         ids=["github", "gitlab"])
def test_structure(path, schema):
    jsonschema.validate(load(path), schema)


def test_github_references_are_there():
    document = load(GITHUB)
    for job in document["jobs"].values():
        needs = job.get("needs", [])
        for name in [needs] if isinstance(needs, str) else needs:
            assert name in document["jobs"]
    contexts = set(re.findall(r"\$\{\{\s*([a-z]+)\.", GITHUB.read_text()))
    assert contexts <= {"github", "secrets", "vars"}


def test_gitlab_stages_are_declared():
    document = load(GITLAB)
    used = [job["stage"] for name, job in document.items() if name not in ("stages", "default")]
    assert set(used) == set(document["stages"])


def test_postgres_is_15_and_waited_for():
    service = load(GITHUB)["jobs"]["test"]["services"]["postgres"]
    assert service["image"] == "postgres:15"
    for option in ("--health-cmd", "--health-interval", "--health-retries"):
        assert option in service["options"]
    job = load(GITLAB)["migrate"]
    assert job["services"][0]["name"] == "postgres:15" and "pg_isready" in job["script"][0]


def test_secrets_are_never_in_the_files():
    for path in (GITHUB, GITLAB):
        for url in re.findall(r"postgresql://\S+", path.read_text()):
            assert "@127.0.0.1:" in url or "@postgres:" in url


@pytest.mark.parametrize("script", scripts())
def test_shell_is_valid(script):
    plain = re.sub(r"\$\{\{.*?\}\}", "word", script)
    done = subprocess.run(["sh", "-n", "-c", plain], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def howdah_commands() -> list[list[str]]:
    commands = []
    for script in scripts():
        plain = re.sub(r"\$\{\{.*?\}\}|\$\{[A-Z_]+:\+[^}]*\}", "", script)
        for line in plain.splitlines():
            if line.startswith("howdah "):
                words = shlex.split(line.split(">")[0])
                commands.append(words[1:])
    return commands


@pytest.mark.parametrize("command", howdah_commands(), ids=" ".join)
def test_options_exist(command):
    """Every option in a template is one that the command's help names."""
    words = [w for w in command if not w.startswith("-")]
    name = words[:2] if words[0] == "migrate" else words[:1]
    done = subprocess.run([build.binary(PRESET), *name, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for option in (w for w in command if w.startswith("--")):
        assert option in done.stdout, f"{' '.join(name)} has no {option}"
