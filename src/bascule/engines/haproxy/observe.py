"""Asks one HAProxy which servers it sees, through its statistics page."""

from __future__ import annotations

import csv
import io

from bascule.engines import http_over
from bascule.engines.haproxy.render import STATS
from bascule.engines.protocols import Dial, Observation


def judge(text: str) -> Observation:
    """What the statistics say: whole when every listener has at least one server up."""
    rows = csv.DictReader(io.StringIO(text.removeprefix("# ")))
    up: dict[str, list[str]] = {}
    for row in rows:
        listener, server, status = row.get("pxname") or "", row.get("svname") or "", row.get("status") or ""
        if listener == STATS or server in {"FRONTEND", "BACKEND", ""}:
            continue
        servers = up.setdefault(listener, [])
        checked = row.get("check_status") not in {None, "", "INI"}  # before its first check a server counts as up
        if status == "no check" or (status.startswith("UP") and checked):
            servers.append(server)
    if not up:
        return Observation(up=False, detail="statistics without a listener")
    words = [f"{listener}: {', '.join(servers) or 'no server'}" for listener, servers in up.items()]
    return Observation(up=True, role="peer", whole=all(up.values()), detail="; ".join(words))


def observe(dial: Dial, port: int, timeout_s: float) -> Observation:
    """Up when its own page answers."""
    try:
        answer = http_over.ask(dial, port, "/stats;csv;norefresh", timeout_s=timeout_s)
    except http_over.NoAnswerError as error:
        return Observation(up=False, detail=f"no answer: {error}")
    if answer.status != 200:
        return Observation(up=False, detail=f"its statistics answer {answer.status}")
    return judge(answer.body.decode("utf-8", "replace"))
