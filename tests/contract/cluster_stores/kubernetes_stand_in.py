"""Stands in for a Kubernetes API server, which cannot be had on this machine: leases of one namespace, and no more.

It does what `kube-apiserver` does with Lease objects, as far as the store relies on it: optimistic concurrency by
`resourceVersion` (409 Conflict), `uid` as a precondition, a PUT that makes an object which is not there
(`AllowCreateOnUpdate`), 409 AlreadyExists, label selectors, lists of one moment, watches from a version with bookmarks
and 410 Gone, 401, 429 with Retry-After, validation of names, labels, annotations and spec. It runs as a process of its
own, so that it can be killed and frozen, and keeps what it has in a file.

It is no proof that a real API server does the same.

Usage: python kubernetes_stand_in.py PORT STATE_FILE TOKEN_FILE
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

LEASES = "/apis/coordination.k8s.io/v1/namespaces/bascule/leases"
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
ANNOTATIONS_LIMIT_BYTES = 256 * 1024
Document = dict[str, Any]


class RefusalError(Exception):
    """An answer that is no object."""

    def __init__(self, code: int, reason: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.headers = headers or {}
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }


def validate(lease: Document) -> None:
    """As `ValidateLease` and `ValidateObjectMeta` do."""
    metadata, spec = lease["metadata"], lease.get("spec") or {}
    wrong = []
    if not SUBDOMAIN.fullmatch(metadata.get("name", "")) or len(metadata["name"]) > 253:
        wrong.append("metadata.name: a lowercase RFC 1123 subdomain")
    notes = metadata.get("annotations") or {}
    if sum(len(name.encode()) + len(text.encode()) for name, text in notes.items()) > ANNOTATIONS_LIMIT_BYTES:
        wrong.append("metadata.annotations: Too long: may not be more than 262144 bytes")
    for name, text in (metadata.get("labels") or {}).items():
        if (
            len(text) > 63
            or not (text == "" or LABEL.fullmatch(text))
            or not re.fullmatch(r"[a-z0-9.-]+/[\w.-]+", name)
        ):
            wrong.append(f"metadata.labels: Invalid value: {text!r}")
    if (spec.get("leaseDurationSeconds") or 1) <= 0:
        wrong.append("spec.leaseDurationSeconds: must be greater than 0")
    if (spec.get("leaseTransitions") or 0) < 0:
        wrong.append("spec.leaseTransitions: must be greater than or equal to 0")
    times = {name: spec[name] for name in ("acquireTime", "renewTime") if spec.get(name) is not None}
    wrong += [f"spec.{name}: not a MicroTime" for name, text in times.items() if not MICRO_TIME.fullmatch(text)]
    if wrong:
        raise RefusalError(422, "Invalid", f"Lease is invalid: {'; '.join(wrong)}")


class Leases:
    """All objects, and what happened to them."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.changed = threading.Condition()
        self.history: list[tuple[int, str, Document]] = []
        state: Document = json.loads(file.read_text()) if file.exists() else {"version": 1000, "objects": {}}
        self.version: int = state["version"]
        self.objects: dict[str, Document] = state["objects"]
        self.oldest = self.version  # what happened before the start is not known any more
        self.requests = 0
        self.throttled = 0
        self.retry_after = "1"

    def note(self, kind: str, lease: Document) -> Document:
        self.version += 1
        lease["metadata"]["resourceVersion"] = str(self.version)
        if kind == "DELETED":
            del self.objects[lease["metadata"]["name"]]
        else:
            self.objects[lease["metadata"]["name"]] = lease
        self.history.append((self.version, kind, json.loads(json.dumps(lease))))
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps({"version": self.version, "objects": self.objects}))
        draft.replace(self._file)
        self.changed.notify_all()
        return lease

    def create(self, lease: Document) -> Document:
        metadata = lease["metadata"]
        if metadata.get("resourceVersion"):
            raise RefusalError(400, "BadRequest", "resourceVersion should not be set on objects to be created")
        validate(lease)
        if metadata["name"] in self.objects:
            raise RefusalError(409, "AlreadyExists", f'leases "{metadata["name"]}" already exists')
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": stamp, "namespace": "bascule"}
        return self.note("ADDED", lease)

    def update(self, name: str, lease: Document) -> Document:
        metadata = lease["metadata"]
        there = self.objects.get(name)
        if metadata.get("name") != name:
            raise RefusalError(400, "BadRequest", "the name of the object does not match the name on the URL")
        uid = there["metadata"]["uid"] if there else ""
        if metadata.get("uid") and metadata["uid"] != uid:
            raise RefusalError(409, "Conflict", f"Precondition failed: UID in precondition: {metadata['uid']}")
        if there is None:
            metadata.pop("resourceVersion", None)
            return self.create(lease)
        if not metadata.get("resourceVersion"):
            raise RefusalError(422, "Invalid", "metadata.resourceVersion: must be specified for an update")
        if metadata["resourceVersion"] != there["metadata"]["resourceVersion"]:
            raise RefusalError(409, "Conflict", "the object has been modified; please apply your changes")
        validate(lease)
        for fixed in ("uid", "creationTimestamp", "namespace"):
            metadata[fixed] = there["metadata"][fixed]
        return self.note("MODIFIED", lease)

    def get(self, name: str) -> Document:
        if name not in self.objects:
            raise RefusalError(404, "NotFound", f'leases "{name}" not found')
        return self.objects[name]

    def listed(self, selector: str) -> Document:
        items = [lease for _, lease in sorted(self.objects.items()) if matches(lease, selector)]
        metadata = {"resourceVersion": str(self.version)}
        return {"kind": "LeaseList", "apiVersion": "coordination.k8s.io/v1", "metadata": metadata, "items": items}

    def watch(self, version: int, selector: str, until_s: float) -> Iterator[Document]:
        """Events after that version; a bookmark now and then."""
        while True:
            with self.changed:
                if version < self.oldest:
                    gone = RefusalError(410, "Expired", f"too old resource version: {version} ({self.oldest})")
                    yield {"type": "ERROR", "object": gone.status}
                    return
                news = [one for one in self.history if one[0] > version]
                if not news:
                    self.changed.wait(0.5)
            for at, kind, lease in news:
                version = at
                if matches(lease, selector):
                    yield {"type": kind, "object": lease}
            if not news:
                mark = {"kind": "Lease", "metadata": {"resourceVersion": str(version)}}
                yield {"type": "BOOKMARK", "object": mark}
            if time.monotonic() > until_s:
                return


def matches(lease: Document, selector: str) -> bool:
    labels = lease["metadata"].get("labels") or {}
    return all(
        labels.get(name) == text for name, _, text in (one.partition("=") for one in selector.split(",")) if name
    )


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    leases: Leases
    token_file: Path
    content = b""

    def log_message(self, *_: object) -> None:
        """Nothing is told of requests: they hold tokens."""

    def do_GET(self) -> None:
        self.carry_out(lambda: self.leases.get(self.name()) if self.name() else self.leases.listed(self.selector()))

    def do_POST(self) -> None:
        self.carry_out(self.obey if self.path == "/stand-in" else lambda: self.leases.create(self.document()))

    def do_PUT(self) -> None:
        self.carry_out(lambda: self.leases.update(self.name(), self.document()))

    def do_DELETE(self) -> None:
        self.carry_out(lambda: self.leases.note("DELETED", self.leases.get(self.name())))

    def carry_out(self, request: Callable[[], Document]) -> None:
        self.content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            if self.path != "/stand-in":
                self.admit()
            if self.query("watch") == "1":
                self.send_watch()
                return
            with self.leases.changed:
                answer = json.dumps(request())
            self.send(201 if self.command == "POST" else 200, answer)
        except RefusalError as refusal:
            self.send(refusal.code, json.dumps(refusal.status), refusal.headers)

    def admit(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {self.token_file.read_text().strip()}":
            raise RefusalError(401, "Unauthorized", "Unauthorized")
        path = urlsplit(self.path).path
        if path != LEASES and not path.startswith(f"{LEASES}/"):
            raise RefusalError(403, "Forbidden", 'leases is forbidden: User "agent" cannot do this')
        self.leases.requests += 1
        if self.leases.throttled:
            self.leases.throttled -= 1
            wait = {"Retry-After": self.leases.retry_after}
            raise RefusalError(429, "TooManyRequests", "too many requests, please try again later", wait)

    def obey(self) -> Document:
        """What a test has happen: throttling, forgetting, a stranger's change; the answer counts the requests."""
        order = self.document()
        self.leases.throttled = order.get("throttle", 0)
        self.leases.retry_after = order.get("retry_after", "1")
        if "forget" in order:
            self.leases.version += 5
            self.leases.oldest = self.leases.version
            self.leases.history.clear()
            self.leases.changed.notify_all()
        if "touch" in order:
            lease = json.loads(json.dumps(self.leases.get(order["touch"])))
            lease["metadata"].setdefault("annotations", {})["stranger"] = "was here"
            for name in order.get("strip", ()):
                lease["metadata"]["annotations"].pop(name, None)
            self.leases.note("MODIFIED", lease)
        return {"requests": self.leases.requests}

    def document(self) -> Document:
        document: Document = json.loads(self.content)
        return document

    def name(self) -> str:
        return urlsplit(self.path).path.removeprefix(LEASES).strip("/")

    def query(self, name: str) -> str:
        return parse_qs(urlsplit(self.path).query).get(name, [""])[0]

    def selector(self) -> str:
        return self.query("labelSelector")

    def send(self, code: int, text: str, headers: dict[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_watch(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        until_s = time.monotonic() + float(self.query("timeoutSeconds") or 1800)
        version = int(self.query("resourceVersion") or self.leases.version)
        for event in self.leases.watch(version, self.selector(), until_s):
            line = json.dumps(event).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    """A thread for each connection; none of them keeps the process."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle of an answer."""


def main() -> None:
    port, state, token = sys.argv[1:]
    Handler.leases = Leases(Path(state))
    Handler.token_file = Path(token)
    with Server(("127.0.0.1", int(port)), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
