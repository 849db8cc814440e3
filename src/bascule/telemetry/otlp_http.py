"""Traces to an OpenTelemetry collector over HTTP, as JSON: taken whole by the collector, or an error that says why.

Source: OpenTelemetry protocol 1.x, "OTLP/HTTP".
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from bascule.kernel.errors import InputError, MachineError

PATH = "/v1/traces"
TIMEOUT_S = 10.0
MOST_BYTES = 64 * 1024
"""More of an answer than this is not read."""
_LATER = {429, 502, 503, 504}


def send_traces(endpoint: str, document: bytes, *, timeout_s: float = TIMEOUT_S) -> str:
    """Send the document once, and give the URL that took it. Nothing is sent twice, and no redirect is followed.

    Args:
        endpoint: The collector, `http://127.0.0.1:4318`; `/v1/traces` is added unless it is there.
        document: A trace in the JSON encoding of OTLP.
        timeout_s: For connecting, and then for everything else together.

    Raises:
        InputError: This is no endpoint.
        MachineError: The collector was not reached, did not answer in time, or did not take all of it.
    """
    connection, path, url = _connection(endpoint, timeout_s)
    cut = threading.Event()
    try:
        connection.connect()
        timer = threading.Timer(timeout_s, _cut_off, (connection.sock, cut))
        timer.daemon = True
        timer.start()
        try:
            connection.request("POST", path, document, {"Content-Type": "application/json", "User-Agent": "bascule"})
            answer = connection.getresponse()
            body = answer.read(MOST_BYTES)
        finally:
            timer.cancel()
    except (OSError, http.client.HTTPException) as error:
        late = cut.is_set() or isinstance(error, TimeoutError)
        why = f"no answer within {timeout_s:g} s" if late else str(error) or type(error).__name__
        raise MachineError(
            f"the collector was not reached: {why}", where=url, hint="is its OTLP/HTTP receiver on at this address?"
        ) from error
    finally:
        connection.close()
    if cut.is_set():
        raise MachineError(f"the collector did not answer in full within {timeout_s:g} s", where=url)
    _taken(answer.status, body, url)
    return url


def _connection(endpoint: str, timeout_s: float) -> tuple[http.client.HTTPConnection, str, str]:
    hint = "give the collector as http://127.0.0.1:4318"
    try:
        parsed = urlsplit(endpoint)
        host, port = parsed.hostname, parsed.port
    except ValueError as error:
        raise InputError(f"this is no endpoint: {error}", where=endpoint, hint=hint) from error
    if parsed.username is not None or parsed.password is not None:
        raise InputError("an endpoint with a password in it is not taken", hint=hint)
    odd = parsed.query or parsed.fragment or not endpoint.isascii() or not endpoint.isprintable() or " " in endpoint
    if parsed.scheme not in {"http", "https"} or not host or odd:
        raise InputError("this is no endpoint", where=endpoint, hint=hint)
    path = parsed.path.rstrip("/")
    path = path if path.endswith(PATH) else path + PATH
    kind = http.client.HTTPSConnection if parsed.scheme == "https" else http.client.HTTPConnection
    return kind(host, port, timeout=timeout_s), path, f"{parsed.scheme}://{parsed.netloc}{path}"


def _cut_off(connected: socket.socket, cut: threading.Event) -> None:
    """End a conversation that takes too long, however slowly the other side goes on."""
    cut.set()
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself


def _taken(status: int, body: bytes, url: str) -> None:
    """See that all of it was taken.

    Raises:
        MachineError: It was not.
    """
    told = _decoded(body)
    if status != 200:
        said = told.get("message") or body.decode(errors="replace")
        later = "it may take it later" if status in _LATER else "is this a collector's OTLP/HTTP receiver?"
        raise MachineError(f"the collector answered {status}: {_short(said)}", where=url, hint=later)
    partial = told.get("partialSuccess")
    if isinstance(partial, Mapping) and str(partial.get("rejectedSpans", "0")) != "0":
        said = _short(partial.get("errorMessage", ""))
        raise MachineError(f"the collector refused {_short(partial['rejectedSpans'])} spans: {said}", where=url)


def _decoded(body: bytes) -> Mapping[str, object]:
    try:
        told = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _short(said: object) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in str(said)[:200])
    return text.strip() or "nothing more"
