"""What a client does to the names of a lab, and what it is told of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from bascule.chaos.naming import DnsAnswer, DnsCounts, DnsTrouble
from bascule.kernel.errors import LabError
from bascule.lab import naming_requests as ask
from bascule.lab.protocol import Completed
from bascule.lab.request import Request

T = TypeVar("T")
ASK_LIMIT_S = 20.0
_ASK = """
import json, socket, sys, time
begun = time.monotonic()
try:
    found = {one[4][0] for one in socket.getaddrinfo(sys.argv[1], None, socket.AF_INET)}
    told = {"ending": "addresses", "addresses": sorted(found)}
except socket.gaierror as error:
    gone = error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
    told = {"ending": "no such name" if gone else "failure"}
print(json.dumps({**told, "took_s": time.monotonic() - begun}))
"""


class NamingCalls:
    """The part of a lab's client that is about names; the lab must have been brought up with them."""

    def _do(self, request: Request, kind: type[T], *, within_s: float = 0.0) -> T:
        raise AssertionError((request, kind, within_s))

    def run(self, host: str, argv: Sequence[str], *, timeout_s: float = 60.0) -> Completed:
        """Run a command on a host to its end."""
        raise AssertionError((host, argv, timeout_s))

    def add_dns_trouble(self, host: str, trouble: DnsTrouble) -> None:
        """Let questions of the host meet a trouble from now on."""
        self._do(ask.AddDnsTrouble(host=host, trouble=trouble), type(None))

    def remove_dns_trouble(self, host: str, trouble: DnsTrouble) -> None:
        """Take a trouble away."""
        self._do(ask.RemoveDnsTrouble(host=host, trouble=trouble), type(None))

    def dns_counts(self, host: str, trouble: DnsTrouble) -> DnsCounts | None:
        """What a trouble did so far, as the host's resolver counted; None when it is not there."""
        return self._do(ask.DnsCounted(host=host, trouble=trouble), DnsCounts | None)  # type: ignore[arg-type]  # a union is a type to msgspec

    def ask_name(self, host: str, name: str) -> DnsAnswer:
        """What a program on the host is told that asks for a name as programs do.

        Raises:
            LabError: No such program could be run there.
        """
        done = self.run(host, (sys.executable, "-I", "-c", _ASK, name), timeout_s=ASK_LIMIT_S)
        try:
            return msgspec.json.decode(done.stdout, type=DnsAnswer)
        except msgspec.DecodeError as error:
            raise LabError(f"a program on {host} that asked for {name!r} said {done.stderr[-200:]!r}") from error
