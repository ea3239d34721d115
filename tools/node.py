"""The Node.js packages and programs of tests/clients/node, made under build/clients.

Packages come by `npm ci` from the lock file, once for each of its versions, and run no install
scripts. Prisma needs none of its native engines here: its client is the one that goes through a
driver adapter, its generator is WebAssembly, so nothing but npm packages is fetched.
"""

import hashlib
import os
import shutil
from pathlib import Path

from tools import shell
from tools.shell import BUILD, ROOT

SOURCES = ROOT / "tests" / "clients" / "node"
PLACE = BUILD / "clients"
PRISMA_SCHEMA = ROOT / "examples" / "pantrycrm" / "prisma" / "schema.prisma"
# The Prisma CLI insists on a schema engine at start; `generate` never runs it.
OFFLINE = {"PRISMA_SCHEMA_ENGINE_BINARY": "/bin/true", "CHECKPOINT_DISABLE": "1",
           "PRISMA_HIDE_UPDATE_MESSAGE": "1", "DATABASE_URL": "postgresql://unused/unused"}


def digest(*paths: Path) -> str:
    return hashlib.sha256(b"".join(p.read_bytes() for p in paths)).hexdigest()


def install() -> None:
    lock = SOURCES / "package-lock.json"
    stamp, mark = PLACE / "installed", digest(lock, PRISMA_SCHEMA)
    if stamp.exists() and stamp.read_text() == mark:
        return
    (PLACE / "prisma").mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(SOURCES / name, PLACE / name)
    shell.run(["npm", "ci", "--prefix", PLACE, "--ignore-scripts", "--no-audit", "--no-fund"],
              quiet=True)
    shutil.copy(PRISMA_SCHEMA, PLACE / "prisma" / "schema.prisma")
    shell.run(["node", PLACE / "node_modules" / "prisma" / "build" / "index.js", "generate",
               "--schema", PLACE / "prisma" / "schema.prisma"], env=OFFLINE, quiet=True)
    stamp.write_text(mark)


def bundle() -> Path:
    """Makes one program of each NAME_client.ts; packages stay where npm put them."""
    install()
    entries = sorted(SOURCES.glob("*_client.ts"))
    shell.run([PLACE / "node_modules" / ".bin" / "esbuild", *entries, "--bundle",
               "--platform=node", "--format=esm", "--packages=external", "--target=node18",
               "--out-extension:.js=.mjs", f"--outdir={PLACE}", "--log-level=warning"],
              env={"NODE_PATH": os.fspath(PLACE / "node_modules")}, quiet=True)
    return PLACE
