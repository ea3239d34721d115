"""./dev doctor: what is installed, and what this kernel and container allow."""

import ctypes
import os
import resource
import socket
import subprocess
from pathlib import Path

from tools import packages, shell

IO_URING_SETUP = 425  # the same number on x86-64 and arm64
TOOLS = (("clang++-19", "--version"), ("cmake", "--version"), ("ninja", "--version"),
         ("ccache", "--version"), ("ld.lld-19", "--version"), ("clang-format-19", "--version"),
         ("/usr/lib/postgresql/15/bin/postgres", "--version"), ("psql", "--version"),
         ("pgbouncer", "--version"), ("pgpool", "--version"), ("haproxy", "-v"),
         ("java", "--version"), ("node", "--version"), ("npm", "--version"),
         ("/usr/bin/python3", "--version"))


def io_uring() -> str:
    """Asks the kernel itself: sysctl, seccomp and containers all show here."""
    libc = ctypes.CDLL(None, use_errno=True)
    parameters = ctypes.create_string_buffer(120)  # struct io_uring_params, zeroed
    fd = libc.syscall(IO_URING_SETUP, 4, parameters)
    if fd >= 0:
        os.close(fd)
        return "allowed"
    return f"refused ({os.strerror(ctypes.get_errno())}): howdah takes epoll"


def version(name: str, argument: str) -> str:
    """The first line that a tool prints of itself; some print it on standard error."""
    try:
        done = subprocess.run([name, argument], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"})
    except FileNotFoundError:
        return ""
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    return lines[0].strip() if lines else ""


def read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return "?"


def loopback() -> str:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", 0))
        except OSError as error:
            return f"refused ({error})"
    return "fine"


def facts() -> list[tuple[str, str]]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    locked = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    low, high = (int(p) for p in read("/proc/sys/net/ipv4/ip_local_port_range").split())
    shm = os.statvfs("/dev/shm") if os.path.isdir("/dev/shm") else None
    return [("kernel", os.uname().release), ("machine", os.uname().machine),
            ("cores", str(shell.cores())),
            ("user", "root (servers run as another user)" if os.geteuid() == 0 else "ordinary"),
            ("io_uring", io_uring()),
            ("open files", f"{soft}, up to {hard} (10,000 clients need some 20,100)"),
            ("locked memory", "unlimited" if locked < 0 else f"{locked >> 10} KiB"),
            ("local ports", f"{high - low + 1}"),
            ("listen backlog", read("/proc/sys/net/core/somaxconn")),
            ("loopback", loopback()),
            ("/dev/shm", f"{shm.f_bavail * shm.f_frsize >> 20} MiB free" if shm else "none")]


def main() -> int:
    for name, value in facts():
        shell.say(f"{name:16} {value}")
    missing = 0
    for name, argument in TOOLS:
        line = version(name, argument)
        shell.say(f"{os.path.basename(name):16} {line or 'MISSING'}")
        missing += not line
    lacking = packages.missing(packages.parse(packages.LIST.read_text()))
    for package in lacking:
        shell.say(f"{package.name:16} package not installed: {package.why} (./dev setup)")
    return 1 if missing or lacking else 0
