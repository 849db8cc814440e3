"""A stand-in for Route 53 on a port of this machine."""

from __future__ import annotations

import os
import socket
import sys
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real.cluster.daemons import DEADLINE_S, Daemon, free_port
from tests.real.cluster.strict_route53 import XMLNS

from bascule.cluster.actuators import route53
from bascule.kernel.quantities import Duration

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
PROGRAM = Path(__file__).with_name("strict_route53.py")


class Route53Rig:
    """One stand-in; what it holds is gone when it is killed."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        argv = [sys.executable, str(PROGRAM), str(self.port)]
        self._daemon = Daemon(argv, directory, self._is_ready)
        self.start, self.stop = self._daemon.start, self._daemon.stop
        self.freeze, self.thaw = self._daemon.freeze, self._daemon.thaw

    def _is_ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def options(self, name: str = "db", value: str = "10.0.0.1", *, leaves: bool = False) -> route53.Options:
        return route53.Options(
            zone_id="ZBASCULE",
            name=f"{name}.ha.example",
            value=value,
            at_demote="leave" if leaves else "remove",
            endpoint=f"http://127.0.0.1:{self.port}",
            in_sync_within=Duration(1),
            look_every=Duration(0),
            timeout=Duration(1.0),
        )

    def answers(self, name: str, kind: str) -> list[str]:
        """What the zone has under a name."""
        url = f"http://127.0.0.1:{self.port}/2013-04-01/hostedzone/ZBASCULE/rrset"
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
            found = ET.fromstring(answer.read())  # noqa: S314 - from our own stand-in
        return [
            each.text or ""
            for there in found.iter(f"{{{XMLNS}}}ResourceRecordSet")
            if (there.findtext(f"{{{XMLNS}}}Name"), there.findtext(f"{{{XMLNS}}}Type")) == (f"{name}.ha.example.", kind)
            for each in there.iter(f"{{{XMLNS}}}Value")
        ]

    def actuator(self) -> route53.Route53Name:
        return route53.make(self.options())

    def is_so(self) -> bool:
        return self.answers("db", "A") == ["10.0.0.1"]


@contextmanager
def route53_rig(directory: Path) -> Iterator[Route53Rig]:
    before = dict(os.environ)
    os.environ.update(CREDENTIALS)
    rig = Route53Rig(directory)
    try:
        rig.start()
        yield rig
    finally:
        rig.stop()
        for name in CREDENTIALS:
            os.environ.pop(name)
        os.environ.update({name: before[name] for name in CREDENTIALS if name in before})
