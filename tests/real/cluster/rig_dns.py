"""A real named with one zone that takes updates signed with a key."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest
from tests.real.cluster.daemons import DEADLINE_S, Daemon, free_port, need

from bascule.cluster.actuators import dns as dns_actuator
from bascule.kernel.quantities import Duration

ZONE = "ha.example"
CONFIGURATION = """
include "{directory}/ha.key";
controls {{ }};
options {{
    directory "{directory}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    recursion no;
    dnssec-validation no;
    notify no;
}};
zone "{zone}" {{ type primary; file "{directory}/zone.db"; update-policy {{ grant ha. zonesub ANY; }}; }};
"""
ZONE_FILE = """$TTL 60
@ SOA ns root 1 60 60 60 5
@ NS ns
ns A 127.0.0.1
taken CNAME ns
"""


def write_key(path: Path, secret: bytes, *, name: str = "ha") -> Path:
    text = base64.b64encode(secret).decode()
    path.write_text(f'key "{name}" {{\n\talgorithm hmac-sha256;\n\tsecret "{text}";\n}};\n')
    path.chmod(0o600)
    return path


class NamedRig:
    """One named, run by whoever runs the tests."""

    def __init__(self, directory: Path) -> None:
        program = need("named", "bind9")
        directory.mkdir(exist_ok=True)
        self.port = free_port()
        self.key_file = write_key(directory / "ha.key", b"k" * 32)
        configuration = directory / "named.conf"
        configuration.write_text(CONFIGURATION.format(directory=directory, port=self.port, zone=ZONE))
        (directory / "zone.db").write_text(ZONE_FILE)
        self._daemon = Daemon([program, "-g", "-n", "1", "-c", str(configuration)], directory, self._is_ready)
        self.stop, self.freeze, self.thaw = self._daemon.stop, self._daemon.freeze, self._daemon.thaw

    @property
    def text(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._daemon.log

    def start(self) -> None:
        try:
            self._daemon.start()
        except AssertionError:
            if "permission denied" in self._daemon.log:  # AppArmor's profile of bind9 knows /var/lib/bind alone
                pytest.skip(f"named may not read {self.key_file.parent}: its AppArmor profile is enforced")
            raise

    def _is_ready(self) -> bool:
        try:
            return bool(self.answers("ns", "A"))
        except (OSError, dns.exception.DNSException):
            return False

    def answers(self, name: str, kind: str) -> list[str]:
        """What any resolver is told."""
        query = dns.message.make_query(f"{name}.{ZONE}", kind)
        answer = dns.query.tcp(query, "127.0.0.1", port=self.port, timeout=DEADLINE_S)
        return sorted(str(each) for rrset in answer.answer for each in rrset)

    def options(
        self,
        name: str = "db",
        value: str = "10.0.0.1",
        *,
        leaves: bool = False,
        also: tuple[str, ...] = (),
        needs_one: bool = False,
        kind: str = "A",
    ) -> dns_actuator.Options:
        return dns_actuator.Options(
            servers=(self.text, *also),
            zone=ZONE,
            name=f"{name}.{ZONE}",
            value=value,
            type=kind,  # type: ignore[arg-type]  # one of the three that there are
            key_file=str(self.key_file),
            at_demote="leave" if leaves else "remove",
            need="one" if needs_one else "all",
            timeout=Duration(1.0),
        )

    def actuator(self) -> dns_actuator.DnsName:
        return dns_actuator.make(self.options())

    def is_so(self) -> bool:
        return self.answers("db", "A") == ["10.0.0.1"]


@contextmanager
def named_rig(directory: Path) -> Iterator[NamedRig]:
    rig = NamedRig(directory)
    try:
        rig.start()
        yield rig
    finally:
        rig.stop()
