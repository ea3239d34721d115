"""An LDAP server of the tests' own: Debian's slapd, unprivileged, in a folder, on free ports."""

import shutil
import subprocess
from pathlib import Path

from tools import process

SLAPD = "/usr/sbin/slapd"
BASE = "dc=example,dc=net"
MANAGER, MANAGER_PASSWORD = f"cn=Manager,{BASE}", "canary-manager-88"
SCHEMA = Path("/etc/ldap/schema")
CONFIGURATION = """\
include {schema}/core.schema
include {schema}/cosine.schema
include {schema}/inetorgperson.schema
pidfile {folder}/slapd.pid
moduleload back_ldif
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=hidden,{base}" by dn.exact="{manager}" read by anonymous auth by * none
access to * by * read
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
database ldif
directory {folder}/data
suffix "{base}"
rootdn "{manager}"
rootpw {manager_password}
"""
ENTRIES = """\
dn: {base}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

"""
UNIT = """\
dn: ou={unit},{base}
objectClass: organizationalUnit
ou: {unit}

"""
PERSON = """\
dn: uid={uid}{below},{base}
objectClass: inetOrgPerson
uid: {uid}
sn: {uid}
cn: {uid}
mail: {mail}
userPassword: {password}

"""


class LdapServer:
    """People are (uid, password, mail, organizational unit or nothing)."""

    def __init__(self, folder: Path, authority, people: list[tuple[str, str, str, str]]):
        self.folder = folder
        (folder / "data").mkdir(parents=True)
        certificate, key = authority.issue("localhost", file="slapd")
        self.authority = authority.certificate
        self.configuration = folder / "slapd.conf"
        self.configuration.write_text(CONFIGURATION.format(
            schema=SCHEMA, folder=folder, base=BASE, manager=MANAGER, ca=authority.certificate,
            manager_password=MANAGER_PASSWORD, certificate=certificate, key=key))
        text = ENTRIES.format(base=BASE)
        for unit in sorted({unit for *_, unit in people if unit}):
            text += UNIT.format(unit=unit, base=BASE)
        for uid, password, mail, unit in people:
            text += PERSON.format(uid=uid, password=password, mail=mail, base=BASE,
                                  below=f",ou={unit}" if unit else "")
        entries = folder / "entries.ldif"
        entries.write_text(text)
        for path in (folder, folder / "data", self.configuration, entries):
            process.give_to_server_user(path)
        process.run(["/usr/sbin/slapadd", "-f", self.configuration, "-l", entries])
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        self.port, self.tls_port = process.free_port(), process.free_port()
        self.process = process.spawn(
            [SLAPD, "-d", "0", "-f", self.configuration, "-h",
             f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"],
            self.folder / "slapd.log")
        process.wait_until(lambda: process.accepts(self.port) and process.accepts(self.tls_port),
                           10, f"slapd ({self.folder / 'slapd.log'})")

    def stop(self) -> None:
        if self.process:
            process.stop(self.process, seconds=5)

    def set_password(self, entry: str, password: str) -> None:
        subprocess.run([shutil.which("ldappasswd"), "-x", "-H", f"ldap://127.0.0.1:{self.port}",
                        "-D", MANAGER, "-w", MANAGER_PASSWORD, "-s", password, entry],
                       check=True, capture_output=True)
