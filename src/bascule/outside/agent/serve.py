"""The agent: carries out orders that come as lines, and undoes everything once they stop coming.

Each order is one line of JSON, and so is each answer. Its standard input is the lease: when it ends, or nothing comes
for as long as was agreed, the client counts as dead. So a cut line undoes what it can no longer undo.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from typing import Any

from bascule.outside.agent.holding import Holding, answer
from bascule.outside.agent.notes import Note
from bascule.outside.agent.refused import RefusedError
from bascule.outside.agent.table import Key, boot, is_alive, row, send
from bascule.outside.agent.targets import facts, resolve

MAX_LINE_BYTES = 65536
FIRST_LIMIT_S = 30.0
TAKE_OVER_LIMIT_S = 20.0
ATTEMPTS = 60
_RETRY_S = 1.0


class Agent:
    """One client's agent. It ends with its client."""

    def __init__(self) -> None:
        self._lease_s = FIRST_LIMIT_S
        self._holding: Holding | None = None
        self._note: Note | None = None
        self._farewell = False
        self._told_to_end, ending = os.pipe()
        os.set_blocking(ending, False)
        signal.signal(signal.SIGTERM, lambda *_: os.write(ending, b"x"))
        for ignored in (signal.SIGINT, signal.SIGHUP):
            signal.signal(ignored, lambda *_: None)  # not SIG_IGN, which what is started here would inherit

    def serve(self) -> int:
        """Serve until the client ends, dies or is silent for too long; nothing is left then, or the exit code is 1."""
        _say({"done": "ready"})
        rest = b""
        until_s = time.monotonic() + self._lease_s
        while True:
            ready, _, _ = select.select([0, self._told_to_end], [], [], max(0.0, until_s - time.monotonic()))
            if 0 not in ready:
                return self._end()
            part = os.read(0, MAX_LINE_BYTES)
            *lines, rest = (rest + part).split(b"\n")
            if not part or len(rest) > MAX_LINE_BYTES:
                return self._end()
            for line in lines:
                if not self._heed(line):
                    return self._end()
            until_s = time.monotonic() + self._lease_s

    def _heed(self, line: bytes) -> bool:
        """Carry out one order and answer it; False when the client says goodbye, or does not hear us any more."""
        try:
            order = json.loads(line)
            if order["do"] == "goodbye":
                self._farewell = True
                return False
            told: dict[str, Any] = {"done": self._do(order)}
        except RefusedError as error:
            told = {"error": error.what, "hint": error.hint}
        except Exception as error:  # noqa: BLE001 - an agent that dies holds no fault and undoes none
            told = {"error": f"{type(error).__name__}: {error}", "hint": ""}
        try:
            _say(told)
        except BrokenPipeError:
            return False
        return True

    def _do(self, order: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever JSON can say
        if order["do"] == "hello":
            return self._meet(order)
        if self._holding is None:
            raise RefusedError("nobody said hello")
        if order["do"] == "renew":
            if troubles := self._holding.troubles():
                raise RefusedError("; ".join(troubles))
            return None
        return answer(self._holding, order)

    def _meet(self, order: dict[str, Any]) -> dict[str, Any]:
        """Find the targets, as they were meant first; `gone` when the machine was started anew since."""
        if order["boot"] not in {"", boot()}:
            return {"gone": True, "targets": {}}
        own = row(os.getpid())
        if own is None:
            raise RefusedError("/proc does not show this process: it must be mounted")
        self._lease_s = float(order["lease_s"])
        note = Note(str(order["run"]), own.key)
        holder = note.read()
        if holder is not None and holder != own.key and is_alive(holder):
            _take_over(holder)
            note = Note(str(order["run"]), own.key)
            note.read()
        fresh = not order["boot"]
        targets = {
            name: resolve(name, told, note.of(name), fresh=fresh) for name, told in sorted(order["targets"].items())
        }
        self._note = note
        self._holding = Holding(note, targets)
        return {"gone": False, "targets": {name: facts(target) for name, target in targets.items()}}

    def _end(self) -> int:
        """Undo everything, however long it takes to be possible."""
        if self._holding is None or self._note is None:
            return 0
        for _ in range(ATTEMPTS):
            left = self._holding.undo_all()
            if not left:
                if self._farewell or not any(one.moved for one in self._note.touched.values()):
                    self._note.remove()
                return 0
            time.sleep(_RETRY_S)
        sys.stderr.write("\n".join(left) + "\n")
        return 1


def _say(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _take_over(holder: Key) -> None:
    """Have an earlier agent of this run undo everything and end; one that hangs is killed, and its note tells.

    Raises:
        RefusedError: It does not end.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        send(holder, number)
        deadline_s = time.monotonic() + TAKE_OVER_LIMIT_S / 2
        while time.monotonic() < deadline_s:
            if not is_alive(holder):
                return
            time.sleep(0.02)
    raise RefusedError(f"the agent that holds the fault (process {holder[0]}) does not end")


def main() -> int:
    """Serve the client at the other end of the standard streams. Returns the exit code."""
    return Agent().serve()
