"""A real sshd of the test's own, on 127.0.0.1 and a free port, with keys of its own; it dies with the test run."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tests.real.cluster.daemons import Daemon, free_port, need

SERVER = """\
Port {port}
ListenAddress {address}
HostKey {place}/host_key
PidFile none
AuthorizedKeysFile {place}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
LogLevel VERBOSE
"""
CLIENT = """\
Host far
  HostName {address}
  Port {port}
  User {user}
  IdentityFile {place}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {place}/known_hosts
  GlobalKnownHostsFile /dev/null
"""

USERS = Path("/run/bascule-tests-sshd")


def configure(place: Path, address: str, port: int, user: str, *lines: str) -> tuple[str, ...]:
    """Write what a server there goes by, and what a client goes by to whom it is `far`; the server's command."""
    for name in ("host_key", "user_key"):
        keygen = [need("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)]
        subprocess.run(keygen, check=True)
    (place / "known_hosts").write_text(f"[{address}]:{port} {(place / 'host_key.pub').read_text()}")
    server = SERVER.format(address=address, port=port, place=place)
    (place / "sshd_config").write_text("\n".join([server, *lines, ""]))
    (place / "ssh_config").write_text(CLIENT.format(address=address, port=port, place=place, user=user))
    return (need("sshd", "openssh-server"), "-D", "-e", "-f", str(place / "sshd_config"))


class Sshd:
    """A server that knows one key, and a client's configuration that knows the server as `far`."""

    def __init__(self, place: Path, *lines: str) -> None:
        argv = configure(place, "127.0.0.1", free_port(), getpass.getuser(), *lines)
        self.config = place / "ssh_config"
        self.known_hosts = place / "known_hosts"
        self._daemon = Daemon(list(argv), place, self._answers)

    def _answers(self) -> bool:
        argv = ["ssh", "-F", str(self.config), "-o", "BatchMode=yes", "far", "exit 0"]
        return subprocess.run(argv, check=False, capture_output=True, timeout=30).returncode == 0

    def start(self) -> None:
        self._daemon.start()

    def stop(self) -> None:
        self._daemon.stop()


@contextlib.contextmanager
def running(place: Path, *lines: str) -> Iterator[Sshd]:
    """One that serves; as root it wants a directory of the system's, which is made if need be."""
    server = Sshd(place, *lines)
    with _separation():
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def _separation() -> Iterator[None]:
    """The directory is there; it goes with the last test, of all that run at this time, that made or found it made."""
    if os.geteuid() != 0:
        yield
        return
    empty = Path("/run/sshd")
    with _users() as users:
        with contextlib.suppress(FileExistsError):  # the system's own, or another test's
            empty.mkdir(mode=0o755)
            users.write("made\n")
            users.flush()
        try:
            yield
        finally:
            with contextlib.suppress(BlockingIOError):  # another test has a server
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                users.seek(0)
                if users.read():
                    empty.rmdir()
                USERS.unlink()


def _users() -> IO[str]:
    """The locked file of those that have a server; one that the last of others removed meanwhile counts no more."""
    while True:
        users = USERS.open("a+")
        fcntl.flock(users, fcntl.LOCK_SH)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(users.fileno()), USERS.stat()):
                return users
        users.close()
