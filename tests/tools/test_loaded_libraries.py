"""ADR 0021: libraries that are not loaded at the start, and that packages depend on all the same."""

import os
import re
import shutil
import subprocess

import pytest

from tools import build

PRESET = os.environ.get("HOWDAH_PRESET", "release")
LOADED = {"libpq.so.5": "libpq5", "libcurl.so.4": "libcurl4", "libldap": "libldap",
          "libpam.so.0": "libpam0g"}


def needed(file) -> set[str]:
    listing = subprocess.run(["readelf", "-d", file], check=True, capture_output=True, text=True)
    names = re.findall(r"\(NEEDED\).*\[(.*)\]", listing.stdout)
    return {re.sub(r"^libldap[-.].*", "libldap", name) for name in names}  # a version in its name


def test_the_program_needs_none_and_the_object_beside_it_all():
    program = build.binary(PRESET)
    assert not needed(program) & LOADED.keys()
    assert LOADED.keys() <= needed(program.with_name("loaded_libraries.so"))


@pytest.mark.skipif(shutil.which("dpkg-shlibdeps") is None, reason="no dpkg-dev")
def test_a_package_would_depend_on_them(tmp_path):
    (tmp_path / "debian").mkdir()
    (tmp_path / "debian" / "control").write_text(
        "Source: howdah\n\nPackage: howdah\nArchitecture: any\n")
    program = build.binary(PRESET).resolve()
    found = subprocess.run(["dpkg-shlibdeps", "-O", f"-e{program}",
                            f"-e{program.with_name('loaded_libraries.so')}"], cwd=tmp_path,
                           check=True, capture_output=True, text=True).stdout
    assert all(package in found for package in LOADED.values()), found
