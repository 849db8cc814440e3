"""The client of a proxy process. Calls block, are bounded in time, and may come from any thread."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec

from bascule.chaos.proxy import protocol as say
from bascule.chaos.proxy.http_faults import AnyHttpFault
from bascule.chaos.proxy.protocol import ProxyStatus
from bascule.chaos.proxy.toxics import AnyToxic
from bascule.kernel.errors import FaultError

CALL_LIMIT_S = 10.0


class ProxyClient:
    """Asks the proxy process whose control socket is at `path`.

    Raises:
        FaultError: By any call: the process was not reached, or did not answer in time.
        InputError: By any call: it cannot be asked so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(
        self, name: str, upstream: str, *, listen: str = "127.0.0.1:0", protocol: say.Protocol = "tcp"
    ) -> ProxyStatus:
        """Make a proxy; its status tells where it listens."""
        (status,) = self._ask(say.Create(name=name, listen=listen, upstream=upstream, protocol=protocol))
        return status

    def set_toxics(self, name: str, *toxics: AnyToxic) -> ProxyStatus:
        """These toxics and no others."""
        (status,) = self._ask(say.SetToxics(name=name, toxics=toxics))
        return status

    def set_faults(self, name: str, *faults: AnyHttpFault) -> ProxyStatus:
        """These HTTP faults and no others."""
        (status,) = self._ask(say.SetFaults(name=name, faults=faults))
        return status

    def add_toxic(self, name: str, toxic: AnyToxic) -> ProxyStatus:
        """This toxic beside those that there are."""
        (status,) = self._ask(say.AddToxic(name=name, toxic=toxic))
        return status

    def add_fault(self, name: str, fault: AnyHttpFault) -> ProxyStatus:
        """This HTTP fault beside those that there are."""
        (status,) = self._ask(say.AddFault(name=name, fault=fault))
        return status

    def take_away(self, name: str, label: str) -> ProxyStatus:
        """No toxic and no fault that is counted under this name any more."""
        (status,) = self._ask(say.TakeAway(name=name, label=label))
        return status

    def enable(self, name: str) -> ProxyStatus:
        """Listen again."""
        (status,) = self._ask(say.Enable(name=name))
        return status

    def disable(self, name: str) -> ProxyStatus:
        """Refuse connections, and end those that there are."""
        (status,) = self._ask(say.Disable(name=name))
        return status

    def remove(self, name: str) -> ProxyStatus:
        """End a proxy; its last status."""
        (status,) = self._ask(say.Remove(name=name))
        return status

    def status(self, name: str) -> ProxyStatus:
        """How a proxy is now."""
        (status,) = self._ask(say.Ask(name=name))
        return status

    def proxies(self) -> tuple[ProxyStatus, ...]:
        """Every proxy, by name."""
        return self._ask(say.List())

    def reset(self) -> tuple[ProxyStatus, ...]:
        """No toxic and no fault any more, and every proxy listens."""
        return self._ask(say.Reset())

    def _ask(self, request: say.Request) -> tuple[ProxyStatus, ...]:
        try:
            reply = self._exchange(say.line(request))
        except (OSError, msgspec.MsgspecError) as error:
            hint = "start one: python -m bascule.chaos.proxy --socket PATH"
            raise FaultError(f"no proxy process answers: {error}", where=str(self._path), hint=hint) from error
        if reply.failure is not None:
            raise reply.failure.error()
        return reply.proxies

    def _exchange(self, text: bytes) -> say.Reply:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(CALL_LIMIT_S)
            line.connect(str(self._path))
            line.sendall(text)
            answer = bytearray()
            while not answer.endswith(b"\n"):
                part = line.recv(1 << 16)
                if not part or len(answer) > say.REPLY_LIMIT_BYTES:
                    message = "it hung up"
                    raise ConnectionError(message)
                answer += part
        return msgspec.json.decode(answer, type=say.Reply)
