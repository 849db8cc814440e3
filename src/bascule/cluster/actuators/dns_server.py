"""One authoritative DNS server, asked and updated over TCP; every message is signed, both ways.

Source: RFC 2136 (update), RFC 8945 (TSIG), RFC 1035 4.2.2 (TCP).
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
import struct

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update

from bascule.cluster.actuators import control_socket
from bascule.kernel.errors import ActuatorError, InputError

HINT = "is the server running, and does it allow updates of the zone with this key?"
KEY_FILE_LIMIT_BYTES = 65536
_KEY = re.compile(
    r'\s*key\s+"?(?P<name>[A-Za-z0-9._-]{1,253})"?\s*\{(?P<body>[^{}]*)\}\s*;?\s*', re.DOTALL
)  # tsig-keygen(8)
_ALGORITHM = re.compile(r'\balgorithm\s+"?(hmac-sha(?:1|224|256|384|512))\.?"?\s*;')
_SECRET = re.compile(r'\bsecret\s+"?([A-Za-z0-9+/]{8,1024}={0,2})"?\s*;')


def read_key(path: str) -> dns.tsig.Key:
    """The TSIG key of a file that `tsig-keygen` wrote.

    Raises:
        InputError: It cannot be read, others may read it, or it holds no key. The text of the file is never quoted.
    """
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - mode and content are to be of the same file
            mode = os.fstat(stream.fileno()).st_mode
            text = stream.read(KEY_FILE_LIMIT_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no path"
        raise InputError(f"the TSIG key cannot be read: {reason}", where=path) from error
    if not stat.S_ISREG(mode) or mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError("the TSIG key is open to others", where=path, hint=f"chmod 600 {path}")
    match = _KEY.fullmatch(re.sub(r"#[^\n]*", "", text))
    algorithm = _ALGORITHM.search(match["body"]) if match else None
    secret = _SECRET.search(match["body"]) if match else None
    if match is None or algorithm is None or secret is None:
        hint = "write it with: tsig-keygen -a hmac-sha256 NAME"
        raise InputError("there is no TSIG key in it", where=path, hint=hint)
    try:
        return dns.tsig.Key(match["name"], secret[1], algorithm[1])
    except (ValueError, dns.exception.DNSException) as error:
        raise InputError("the TSIG key's secret is no Base64", where=path) from error


def place_of(text: str) -> control_socket.Place:
    """The place of a server: `192.0.2.53`, `192.0.2.53:5353` or `[fd00::53]:53`.

    Raises:
        InputError: It is no address: a name would need the DNS that is about to be changed.
    """
    host, port = text, "53"
    if text.startswith("[") or text.count(":") == 1:
        host, _, port = text.rpartition(":")
    try:
        address = str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        address = ""
    if not address or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        hint = "write it like 192.0.2.53, 192.0.2.53:5353 or [fd00::53]:53"
        raise InputError(f"{text[:120]!r} is no server's address", where="dns", hint=hint)
    return control_socket.Place(text=text, daemon="the DNS server", hint=HINT, host=address, port=int(port))


class Server:
    """One server, and the key that both sides sign with.

    Args:
        place: Where it listens.
        zone: The zone that it is asked about.
        key: Signs; an answer that is not signed with it is no answer.
        timeout_s: Limit of one question.
    """

    def __init__(self, place: control_socket.Place, zone: dns.name.Name, key: dns.tsig.Key, timeout_s: float) -> None:
        self.text = place.text
        self._place = place
        self._zone = zone
        self._key = key
        self._timeout_s = timeout_s

    async def records(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
        """The record set that the server has under a name; None if there is none.

        Raises:
            ActuatorError: Not reached, no answer, or one that is not of an authority.
        """
        query = dns.message.make_query(name, kind)
        query.flags &= ~dns.flags.RD  # what is in its zone, and not what it would hear from others
        answer = await self._exchange(query)
        if answer.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            raise self._refused(f"the question for {name}", answer.rcode())
        if not answer.flags & dns.flags.AA:
            hint = f"name a server that is authoritative for {self._zone}"
            raise ActuatorError(f"the server is no authority for {name}", where=self.text, hint=hint)
        return answer.get_rrset(answer.answer, name, dns.rdataclass.IN, kind)

    def new_update(self) -> dns.update.UpdateMessage:
        """An update of the zone, empty still."""
        return dns.update.UpdateMessage(self._zone)

    async def update(self, message: dns.update.UpdateMessage) -> bool:
        """Whether it was carried out; False when a prerequisite did not hold, and nothing was changed.

        Raises:
            ActuatorError: Not reached, no answer, or refused for another reason; it may have been carried out.
        """
        rcode = (await self._exchange(message)).rcode()
        if rcode in {dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN}:
            return False
        if rcode != dns.rcode.NOERROR:
            raise self._refused(f"the update of {self._zone}", rcode)
        return True

    async def _exchange(self, message: dns.message.Message) -> dns.message.Message:
        message.use_tsig(self._key)
        wire = message.to_wire()
        async with control_socket.opened(self._place, self._timeout_s) as (reader, writer):
            writer.write(struct.pack("!H", len(wire)) + wire)
            await writer.drain()
            (size,) = struct.unpack("!H", await reader.readexactly(2))
            answered = await reader.readexactly(size)
        try:
            answer = dns.message.from_wire(answered, keyring=self._key, request_mac=message.mac)
        except (dns.tsig.PeerBadTime, dns.tsig.BadTime) as error:
            hint = "set both clocks: TSIG allows for five minutes"
            raise ActuatorError("the server's clock and ours differ too much", where=self.text, hint=hint) from error
        except (dns.exception.DNSException, ValueError) as error:
            what = f"the server's answer is not signed as it must be: {type(error).__name__}"
            hint = "the key's name, algorithm and secret must be the same on both sides"
            raise ActuatorError(what, where=self.text, hint=hint) from error
        if not answer.had_tsig or not message.is_response(answer):
            raise ActuatorError("the server does not sign its answer", where=self.text, hint=HINT)
        return answer

    def _refused(self, what: str, rcode: dns.rcode.Rcode) -> ActuatorError:
        return ActuatorError(f"the server refused {what}: {dns.rcode.to_text(rcode)}", where=self.text, hint=HINT)
