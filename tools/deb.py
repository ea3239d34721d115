"""./dev package: a Debian package of howdah, from a program that is built already.

What it depends on is asked of dpkg-shlibdeps, so it holds for the release it was built on.
"""

import gzip
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools import build, shell
from tools.shell import BUILD, ROOT, Failed

DEBIAN = ROOT / "deploy" / "debian"
CONFFILE = Path("etc/howdah/howdah.toml")
SCRIPTS = ("postinst", "prerm", "postrm")
CONTROL = """\
Package: howdah
Version: {version}
Architecture: {architecture}
Maintainer: The authors of howdah <howdah@localhost>
Installed-Size: {kib}
Depends: adduser, init-system-helpers, {depends}
Suggests: postgresql
Section: database
Priority: optional
Description: pooling proxy for PostgreSQL, with live insight and safe migrations
 howdah stands between applications and PostgreSQL. It takes PgBouncer's place, with its
 files, its console and its command line, shows what the traffic costs, and runs schema
 changes safely.
"""
COPYRIGHT = """\
howdah, by its authors. The source says under which terms it is given.

The program contains the parsers of tree-sitter-typescript, under these terms:

"""


def version() -> str:
    text = (ROOT / "CMakeLists.txt").read_text()
    return re.search(r"project\(howdah VERSION ([\d.]+)", text).group(1)


def dpkg(*command) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def dependencies(program: Path) -> str:
    """The packages of the shared libraries that the program names, or loads when needed."""
    objects = [f"-e{program}", f"-e{program.with_name('loaded_libraries.so')}"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "debian").mkdir()
        (Path(folder) / "debian" / "control").write_text(
            "Source: howdah\n\nPackage: howdah\nArchitecture: any\n")
        done = subprocess.run(["dpkg-shlibdeps", "-O", *objects], cwd=folder,
                              capture_output=True, text=True)
    found = re.search(r"^shlibs:Depends=(.*)$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not found:
        raise Failed(f"dpkg-shlibdeps failed: {done.stderr.strip()}")
    return found.group(1)


def write(path: Path, text: str, *, compressed: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if compressed:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    else:
        path.write_text(text)


def manual(program: Path) -> str:
    """The manual page, with the commands that the program has."""
    usage = dpkg(program, "--help")
    listed = re.findall(r"^  (\S+) +(\S.*)$", usage.partition("commands:")[2], re.MULTILINE)
    commands = "\n".join(f".TP\n.B {name}\n{what}" for name, what in listed).replace("-", "\\-")
    text = (DEBIAN / "howdah.1").read_text()
    return text.replace("@VERSION@", version()).replace("@COMMANDS@", commands)


def grammar_licence() -> str:
    found = sorted((BUILD / "npm").glob("*/node_modules/tree-sitter-typescript/LICENSE"))
    if not found:
        raise Failed("the grammar's licence is not under build/npm", "./dev build")
    return found[-1].read_text()


def stage(folder: Path, program: Path) -> None:
    """The tree as it is installed."""
    binary = folder / "usr/bin/howdah"
    binary.parent.mkdir(parents=True)
    shell.run(["strip", "--strip-unneeded", "-o", binary, program], quiet=True)
    binary.chmod(0o755)
    write(folder / CONFFILE, (DEBIAN / "howdah.toml").read_text())
    for unit in sorted((ROOT / "deploy/systemd").iterdir()):
        write(folder / "lib/systemd/system" / unit.name, unit.read_text())
    write(folder / "usr/share/man/man1/howdah.1", manual(program), compressed=True)
    documents = folder / "usr/share/doc/howdah"
    write(documents / "copyright", COPYRIGHT + grammar_licence())
    write(documents / "changelog", f"howdah {version()}\n", compressed=True)
    write(documents / "README.md", (ROOT / "README.md").read_text())
    for page in sorted((ROOT / "docs").glob("*.md")):
        write(documents / page.name, page.read_text(), compressed=True)


def control(folder: Path, program: Path) -> None:
    inside = folder / "DEBIAN"
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    write(inside / "control", CONTROL.format(
        version=version(), architecture=dpkg("dpkg", "--print-architecture"),
        kib=(size + 1023) // 1024, depends=dependencies(program)))
    write(inside / "conffiles", f"/{CONFFILE}\n")
    for name in SCRIPTS:
        write(inside / name, (DEBIAN / name).read_text())
        (inside / name).chmod(0o755)


def make(program: Path, out: Path, *, compression: str = "-Zxz") -> Path:
    """The package of `program` in the folder `out`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "howdah"
        folder.mkdir(mode=0o755)
        stage(folder, program)
        control(folder, program)
        os.utime(folder)
        name = f"howdah_{version()}_{dpkg('dpkg', '--print-architecture')}.deb"
        dpkg("dpkg-deb", "--root-owner-group", compression, "--build", folder, out / name)
    return out / name


def main() -> int:
    program = build.binary("release")
    for tool in ("dpkg-deb", "dpkg-shlibdeps", "strip"):
        if not shutil.which(tool):
            raise Failed(f"{tool} is missing", "./dev setup")
    package = make(program, BUILD)
    shell.say(str(package))
    return 0
