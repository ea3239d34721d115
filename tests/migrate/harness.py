"""A database, a folder of migrations and the program, for one test."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema

from tools import build, process, shell
from tools.pgcluster import BIN, SUPERUSER
from tools.shell import BUILD, ROOT

PRESET = os.environ.get("HOWDAH_PRESET", "release")
SCHEMAS = ROOT / "docs" / "schemas"
NODE_SOURCES = Path(__file__).parent / "node"
END_SECONDS_MAX = 120


def held_to_schema(document: dict) -> dict:
    """`document`, which names its schema; fails where it does not keep to it."""
    name = document["schema"].replace("/", "-")
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    store = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    resolver = jsonschema.RefResolver(base_uri="", referrer=schema, store=store)
    jsonschema.validate(document, schema, resolver=resolver)
    return document


class Sandbox:
    """One database of its own on the session's server, and a project folder."""

    def __init__(self, cluster, folder: Path, name: str):
        self.server = cluster.primary
        self.folder = folder
        self.name = name
        self.server.sql(f"create database {name}")
        self.uri = f"postgresql://{SUPERUSER}@/{name}?host={cluster.sockets}&port={self.server.port}"

    def recreate(self) -> None:
        self.server.sql(f"drop database {self.name} with (force)")
        self.server.sql(f"create database {self.name}")

    def sql(self, text: str) -> str:
        return self.server.sql(text, self.name)

    def write(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def command(self, *arguments, uri: str = "") -> list[str]:
        words = [str(a) for a in arguments]
        if "--database" not in words:
            words += ["--database", uri or self.uri]
        return [str(build.binary(PRESET)), *words]

    def start(self, *arguments, uri: str = "", **kwargs) -> subprocess.Popen:
        return subprocess.Popen(self.command(*arguments, uri=uri), cwd=self.folder, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=process.clean_environment(), **kwargs)

    def run(self, *arguments, status: int | None = 0, uri: str = "") -> subprocess.CompletedProcess:
        done = subprocess.run(self.command(*arguments, uri=uri), cwd=self.folder, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=END_SECONDS_MAX, env=process.clean_environment())
        if status is not None:
            assert done.returncode == status, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def json(self, *arguments, status: int | None = 0) -> dict:
        done = self.run(*arguments, "--format", "json", status=status)
        return held_to_schema(json.loads(done.stdout))

    def up(self, *arguments, status: int | None = 0, uri: str = ""):
        return self.run("migrate", "up", *arguments, status=status, uri=uri)

    def dump(self, *, data: bool = False, howdah: bool = False) -> str:
        """The database as pg_dump writes it, without howdah's own schema."""
        command = [BIN / "pg_dump", "-h", self.server.sockets, "-p", str(self.server.port), "-U",
                   SUPERUSER, "-d", self.name, "--no-comments"]
        if not data:
            command.append("--schema-only")
        if not howdah:
            command.append("--exclude-schema=howdah")
        text = process.run(command)
        return re.sub(r"^\\(un)?restrict .*\n", "", text, flags=re.MULTILINE)


def npm_place(name: str) -> Path:
    """The packages of tests/migrate/node/NAME, installed once for each of its lock files."""
    source, place = NODE_SOURCES / name, BUILD / "migrate-tools" / name
    mark = (source / "package-lock.json").read_text()
    stamp = place / "installed"
    if not stamp.exists() or stamp.read_text() != mark:
        place.mkdir(parents=True, exist_ok=True)
        for file in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(source / file, place / file)
        shell.run(["npm", "ci", "--prefix", place, "--ignore-scripts", "--no-audit", "--no-fund"],
                  quiet=True)
        stamp.write_text(mark)
    return place


def copy_tool(name: str, folder: Path) -> None:
    """Makes the packages visible in a project folder."""
    (folder / "node_modules").symlink_to(npm_place(name) / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}\n')
