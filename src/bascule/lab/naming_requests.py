"""The words between a lab's client and its supervisor about names."""

from __future__ import annotations

from bascule.chaos.naming import DnsTrouble
from bascule.lab.request import Request


class AddDnsTrouble(Request, frozen=True, kw_only=True, tag="add_dns_trouble"):
    """Let questions of a host meet a trouble."""

    host: str
    trouble: DnsTrouble


class RemoveDnsTrouble(Request, frozen=True, kw_only=True, tag="remove_dns_trouble"):
    """Take a trouble away."""

    host: str
    trouble: DnsTrouble


class DnsCounted(Request, frozen=True, kw_only=True, tag="dns_counted"):
    """Say what a trouble did so far."""

    host: str
    trouble: DnsTrouble


NamingRequests = AddDnsTrouble | RemoveDnsTrouble | DnsCounted
