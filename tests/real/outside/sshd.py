"""A real sshd of the test's own, on 127.0.0.1 and a free port, with keys of its own; it dies with the test run."""

from __future__ import annotations

import contextlib
import getpass
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.real.cluster.daemons import Daemon, free_port, need

SERVER = """\
Port {port}
ListenAddress 127.0.0.1
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
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {place}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {place}/known_hosts
  GlobalKnownHostsFile /dev/null
"""


class Sshd:
    """A server that knows one key, and a client's configuration that knows the server as `far`."""

    def __init__(self, place: Path, *lines: str) -> None:
        self.port = free_port()
        self.config = place / "ssh_config"
        for name in ("host_key", "user_key"):
            keygen = [need("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)]
            subprocess.run(keygen, check=True)
        public = (place / "host_key.pub").read_text()
        self.known_hosts = place / "known_hosts"
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public}")
        (place / "sshd_config").write_text("\n".join([SERVER.format(port=self.port, place=place), *lines, ""]))
        self.config.write_text(CLIENT.format(port=self.port, place=place, user=getpass.getuser()))
        server = need("sshd", "openssh-server")
        argv = [server, "-D", "-e", "-f", str(place / "sshd_config")]
        self._daemon = Daemon(argv, place, self._answers)

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
    empty = Path("/run/sshd")
    made = os.geteuid() == 0 and not empty.exists()
    if made:
        empty.mkdir(mode=0o755)
    server = Sshd(place, *lines)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        if made:
            empty.rmdir()
