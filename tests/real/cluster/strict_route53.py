"""A stand-in for what is used of Route 53, in a process of its own, and as strict with batches as Amazon is.

moto deletes a record set if it ever was as it is said to be, and creates one that there is already: with it no
compare-and-swap ever fails. Here a batch is carried out in order, on a copy that replaces the zone if all went well.
"""

from __future__ import annotations

import http.server
import sys
import threading
import xml.etree.ElementTree as ET
from urllib.parse import parse_qs, urlsplit

XMLNS = "https://route53.amazonaws.com/doc/2013-04-01/"
ZONE = "ZBASCULE"
SLOW_ZONE = "ZSLOW"
"""Changes of this zone are never in sync."""
Key = tuple[tuple[str, ...], str]
lock = threading.Lock()
zones: dict[str, dict[Key, ET.Element]] = {ZONE: {}, SLOW_ZONE: {}}
asked: dict[str, int] = {}


class RefusedError(Exception):
    """The batch is not carried out."""


def key_of(name: str, kind: str) -> Key:
    """Names are in the order of their labels from the right."""
    return tuple(reversed(name.lower().rstrip(".").split("."))), kind


def find(element: ET.Element, path: str) -> str:
    return element.findtext("/".join(f"{{{XMLNS}}}{part}" for part in path.split("/"))) or ""


def said_of(record_set: ET.Element) -> tuple[str, list[str]]:
    records = record_set.iter(f"{{{XMLNS}}}Value")
    return find(record_set, "TTL"), [each.text or "" for each in records]


def change(zone: str, body: bytes) -> str:
    with lock:
        after = dict(zones[zone])
        for each in ET.fromstring(body).iter(f"{{{XMLNS}}}Change"):  # noqa: S314 - from our own client
            (record_set,) = each.iter(f"{{{XMLNS}}}ResourceRecordSet")
            action, name, kind = find(each, "Action"), find(record_set, "Name"), find(record_set, "Type")
            key = key_of(name, kind)
            if action == "CREATE" and key in after:
                raise RefusedError(f"[Tried to create resource record set {name} {kind} but it already exists]")
            if action == "DELETE" and (key not in after or said_of(after[key]) != said_of(record_set)):
                raise RefusedError(f"[Tried to delete resource record set {name} {kind} but it is not as said]")
            if kind != "TXT" and any(there[0] == key[0] and {there[1], kind} == {"A", "CNAME"} for there in after):
                raise RefusedError(f"[RRSet with DNS name {name}, type {kind} conflicts with other records]")
            if action == "DELETE":
                del after[key]
            else:
                after[key] = record_set
        zones[zone] = after
        identity = f"/change/C{len(asked)}{zone}"
        asked[identity] = 0
    return told("ChangeResourceRecordSetsResponse", identity, "PENDING")


def told(element: str, identity: str, status: str) -> str:
    at = "<SubmittedAt>2030-01-01T00:00:00Z</SubmittedAt>"
    info = f"<ChangeInfo><Id>{identity}</Id><Status>{status}</Status>{at}</ChangeInfo>"
    return f'<{element} xmlns="{XMLNS}">{info}</{element}>'


def look_at(identity: str) -> str:
    asked[identity] += 1
    is_in_sync = asked[identity] > 1 and not identity.endswith(SLOW_ZONE)
    return told("GetChangeResponse", identity, "INSYNC" if is_in_sync else "PENDING")


def listed(zone: str, query: dict[str, list[str]]) -> str:
    start = key_of(query.get("name", [""])[0], query.get("type", [""])[0]) if "name" in query else ((), "")
    most = int(query.get("maxitems", ["300"])[0])
    found = [element for key, element in sorted(zones[zone].items(), key=lambda item: item[0]) if key >= start]
    ET.register_namespace("", XMLNS)
    sets = "".join(ET.tostring(element, encoding="unicode") for element in found[:most])
    rest = f"<IsTruncated>{str(len(found) > most).lower()}</IsTruncated><MaxItems>{most}</MaxItems>"
    text = f"<ResourceRecordSets>{sets}</ResourceRecordSets>{rest}"
    return f'<ListResourceRecordSetsResponse xmlns="{XMLNS}">{text}</ListResourceRecordSetsResponse>'


class Answering(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        _, _, what, identity, *_ = parts.path.split("/")
        if what == "change":
            self._say(200, look_at(f"/change/{identity}"))
        elif identity in zones:
            self._say(200, listed(identity, parse_qs(parts.query)))
        else:
            self._refuse(404, "NoSuchHostedZone", f"No hosted zone found with ID: {identity}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            self._say(200, change(self.path.split("/")[3], body))
        except RefusedError as error:
            self._refuse(400, "InvalidChangeBatch", str(error))

    def _refuse(self, status: int, code: str, message: str) -> None:
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        self._say(status, f'<ErrorResponse xmlns="{XMLNS}">{error}<RequestId>1</RequestId></ErrorResponse>')

    def _say(self, status: int, text: str) -> None:
        body = f'<?xml version="1.0"?>\n{text}'.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the original has
        """Say nothing."""


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answering).serve_forever()
