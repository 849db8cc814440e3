"""A stand-in for Patroni's REST API, with a cluster of two in it: for what a real one cannot be brought to say.

Run as a program: `fake_patroni.py PORT`. This node is `a`; `b` leads at first. `POST /_` sets any of `State`.
"""

from __future__ import annotations

import base64
import http.server
import json
import sys
import time
from typing import Any


class State:
    """What it says. The names of the fields are those that tests set."""

    leader = "b"
    paused = False
    lag: Any = 0
    state = "streaming"
    name = "a"
    switches_after_s = 0.05
    switches = True
    status: dict[str, int] = {}  # noqa: RUF012 - there is one state for the whole program
    body: dict[str, str] = {}  # noqa: RUF012 - as above
    password = ""
    pending: tuple[float, str] | None = None
    orders: list[Any] = []  # noqa: RUF012 - as above

    @classmethod
    def settle(cls) -> None:
        if cls.pending and time.monotonic() >= cls.pending[0]:
            cls.leader, cls.pending = cls.pending[1], None


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the original has
        """Say nothing."""

    def _say(self, status: int, body: str) -> None:
        path = self.path.split("?")[0]
        data = State.body.get(path, body).encode()
        self.send_response(State.status.get(path, status))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        State.settle()
        match self.path:
            case "/primary":
                self._say(200 if State.leader == State.name else 503, "{}")
            case "/patroni":
                role = "primary" if State.leader == State.name else "replica"
                self._say(200, json.dumps({"state": "running", "role": role, "patroni": {"name": State.name}}))
            case "/cluster":
                members = [
                    {"name": one, "role": "leader", "state": "running"}
                    if State.leader == one
                    else {"name": one, "role": "replica", "state": State.state, "lag": State.lag}
                    for one in ("a", "b")
                ]
                self._say(200, json.dumps({"members": members, **({"pause": True} if State.paused else {})}))
            case "/_":
                self._say(200, json.dumps({"leader": State.leader, "orders": State.orders, "paused": State.paused}))
            case _:
                self._say(404, "")

    def _order(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _is_allowed(self) -> bool:
        wanted = "Basic " + base64.b64encode(f"admin:{State.password}".encode()).decode()
        if State.password and self.headers.get("Authorization") != wanted:
            self._say(401, "no auth header received")
            return False
        return True

    def do_PATCH(self) -> None:
        order = self._order()
        if self._is_allowed():
            State.paused = bool(order["pause"])
            self._say(200, "{}")

    def do_POST(self) -> None:
        order = self._order()
        if self.path == "/_":
            for name, value in order.items():
                setattr(State, name, value)
            self._say(200, "{}")
        elif self._is_allowed():
            State.settle()
            self._switch(order)

    def _switch(self, order: dict[str, str]) -> None:
        State.orders.append(order)
        candidate = order.get("candidate", "")
        if order.get("leader") != State.leader:
            self._say(412, "leader name does not match")
        elif State.paused and not candidate:
            self._say(400, "Switchover is possible only to a specific candidate in a paused state")
        else:
            if State.switches:
                chosen = candidate or next(one for one in ("a", "b") if one != State.leader)
                State.pending = (time.monotonic() + State.switches_after_s, chosen)
            self._say(200, f"Successfully switched over to {candidate}")


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Api).serve_forever(0.01)
