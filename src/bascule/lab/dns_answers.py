"""What a host's resolver answers: the addresses of the lab's hosts and components, or what a trouble says.

Messages are read and written by dnspython; what cannot be read gets no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from bascule.chaos.naming import DnsFailure, DnsTrouble

DOMAIN = "lab"
WRONG = "127.0.0.2"
"""The wrong address: the asking host's own loopback, where nobody listens."""
TTL_S = 0


class Question:
    """One question that was read."""

    def __init__(self, message: dns.message.Message) -> None:
        self.message = message
        self.name = message.question[0].name.to_text(omit_final_dot=True).lower().removesuffix(f".{DOMAIN}")
        self.kind = message.question[0].rdtype


def read(data: bytes) -> Question | None:
    """The question in these bytes; None when there is not exactly one that can be read."""
    try:
        message = dns.message.from_wire(data, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return None  # whoever sends that waits in vain, as with any resolver
    is_question = not message.flags & dns.flags.QR and len(message.question) == 1
    return Question(message) if is_question else None


def trouble_of(question: Question, troubles: Iterable[DnsTrouble]) -> DnsTrouble | None:
    """The first trouble that is about this name."""
    return next((one for one in troubles if not one.names or question.name in one.names), None)


def answer(question: Question, book: Mapping[str, tuple[str, ...]], how: DnsFailure | None) -> bytes | None:
    """The answer; None for none at all.

    Args:
        question: What was asked.
        book: Addresses by name, names in lower case.
        how: The trouble that it meets, if it meets one.
    """
    if how == "timeout":
        return None
    reply = dns.message.make_response(question.message, recursion_available=True)
    addresses = (WRONG,) if how == "wrong-answer" else book.get(question.name, ())
    if how == "servfail":
        reply.set_rcode(dns.rcode.SERVFAIL)
    elif how == "nxdomain" or not addresses:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif question.kind == dns.rdatatype.A:
        name = question.message.question[0].name
        reply.answer.append(dns.rrset.from_text(name, TTL_S, dns.rdataclass.IN, dns.rdatatype.A, *addresses))
    return reply.to_wire(max_size=65535)
