"""One connection through a proxy: two lines between two sockets, each at most one buffer ahead of its reader."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence

from bascule.chaos.proxy.exchanges import ActingFault, Exchanges
from bascule.chaos.proxy.flow import Acting, Flow, Tally
from bascule.chaos.proxy.http_faults import HttpFault
from bascule.chaos.proxy.toxics import Ending, Stream, Toxic, is_hit
from bascule.kernel.dice import Dice

READ_BYTES = 256 * 1024
CAREFUL_READ_BYTES = 16 * 1024
"""Where toxics act: what is read may be cut into its bytes, each of which then waits by itself."""
LINGER_S = 2.0
"""How long an orderly end waits for the other side's: unread bytes would turn it into a reset."""
_BUFFER = bytearray(READ_BYTES)
_VIEW = memoryview(_BUFFER)
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: closing sends a reset."""


class Line:
    """One direction: reads only while what it read before is on its way.

    Without toxics bytes go from socket to socket within one call; what the other end does not take stops the reading.
    """

    def __init__(self, connection: Connection, stream: Stream, source: socket.socket, sink: socket.socket) -> None:
        self.flow = Flow(connection.dice)
        self.stream = stream
        self.source = source
        self.carried_bytes = 0
        self.has_ended = False
        self.is_finished = False
        self._connection = connection
        self._loop = connection.loop
        self._sink = sink
        self._is_plain = connection.exchanges is None
        self._is_reading = False
        self._is_writing = False
        self._is_last = False
        self._may_end_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Start to carry."""
        self._read(wanted=True)

    def stop(self) -> None:
        """Carry nothing more; nothing of it is left with the loop."""
        self._read(wanted=False)
        self._write(wanted=False)
        self._cancel_timer()

    def replace(self, acting: tuple[Acting, ...], *, keeps_pace: bool) -> None:
        """Other toxics from now on."""
        self._is_plain = not acting and self._connection.exchanges is None
        self._may_end_s = None
        self.flow.replace(acting, time.monotonic(), keeps_pace=keeps_pace)
        self._drain()

    def _read(self, *, wanted: bool) -> None:
        if wanted != self._is_reading:
            self._is_reading = wanted
            if wanted:
                self._loop.add_reader(self.source, self._on_readable)
            else:
                self._loop.remove_reader(self.source)

    def _write(self, *, wanted: bool) -> None:
        if wanted != self._is_writing:
            self._is_writing = wanted
            if wanted:
                self._loop.add_writer(self._sink, self._on_writable)
            else:
                self._loop.remove_writer(self._sink)

    def _on_readable(self) -> None:
        try:
            size_bytes = self.source.recv_into(_BUFFER, READ_BYTES if self._is_plain else CAREFUL_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._connection.reset()
            return
        if not size_bytes:
            self._end()
            return
        self.carried_bytes += size_bytes
        if not self._is_plain:
            self._take(bytes(_VIEW[:size_bytes]))
            return
        try:
            sent_bytes = self._sink.send(_VIEW[:size_bytes])
        except (BlockingIOError, InterruptedError):
            sent_bytes = 0
        except OSError:
            self._connection.reset()
            return
        if sent_bytes < size_bytes:
            self.flow.push(bytes(_VIEW[sent_bytes:size_bytes]), time.monotonic())
            self._drain()

    def _take(self, data: bytes) -> None:
        now_s = time.monotonic()
        exchanges = self._connection.exchanges
        if exchanges is None:
            self.flow.push(data, now_s)
        elif self.stream == "upstream":
            if asked := exchanges.request(data):
                self.flow.push(asked, now_s)
        else:
            for edit in exchanges.answer(data):
                if edit.data:
                    self.flow.push(edit.data, now_s, hold_s=edit.hold_s, pace_bytes_per_s=edit.pace_bytes_per_s)
                self._is_last |= edit.is_last
        self._drain()

    def _end(self) -> None:
        self.has_ended = True
        self._read(wanted=False)
        exchanges = self._connection.exchanges
        if exchanges is not None:
            rest = exchanges.request_rest() if self.stream == "upstream" else exchanges.answer_rest()
            if rest:
                self.flow.push(rest, time.monotonic())
        self._drain()

    def _on_writable(self) -> None:
        self._write(wanted=False)
        self._drain()

    def _drain(self) -> None:
        """Hand on what is due, then settle what is waited for: room, time, more to read, or the end."""
        self._cancel_timer()
        while not self._is_writing and (piece := self.flow.take(time.monotonic())) is not None:
            allowance = self.flow.allowance()
            data = piece.data if allowance is None else piece.data[: max(0, allowance[0])]
            try:
                sent_bytes = self._sink.send(data)
            except (BlockingIOError, InterruptedError):
                sent_bytes = 0
            except OSError:
                self._connection.reset()
                return
            self.flow.passed(sent_bytes)
            if allowance is not None and sent_bytes >= allowance[0]:
                allowance[1].count(len(piece.data) - sent_bytes)
                self._connection.close()
                return
            if sent_bytes < len(data):
                self.flow.put_back(piece, piece.data[sent_bytes:])
                self._write(wanted=True)
        self._settle()

    def _settle(self) -> None:
        due_s = self.flow.next_due_s()
        if due_s is None and self._is_last:
            self._connection.close()
            return
        if due_s is not None and not self._is_writing:
            self._timer = self._loop.call_later(max(0.0, due_s - time.monotonic()), self._drain)
        room = due_s is None if self._is_plain else not self.flow.is_full()
        self._read(wanted=room and not self.has_ended and not self._is_last)
        if self.has_ended and due_s is None and not self.is_finished:
            self._finish()

    def _finish(self) -> None:
        """Hand on the end of the stream, unless a toxic holds it."""
        if self.flow.drops():
            self._connection.close_if_over()
            return
        if self._may_end_s is None:
            holding = self.flow.holding_close()
            for one in holding:
                one.count(0)
            self._may_end_s = time.monotonic() + sum(one.toxic.holds_close_s() for one in holding)
        if self._may_end_s > time.monotonic():
            self._timer = self._loop.call_later(self._may_end_s - time.monotonic(), self._drain)
            return
        self.is_finished = True
        with contextlib.suppress(OSError):  # the other side is gone already: its end has been told
            self._sink.shutdown(socket.SHUT_WR)
        self._connection.close_if_over()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Connection:
    """Both lines, and everything that can happen to them together.

    Args:
        client: The accepted socket, not blocking.
        server: The socket to the real server, connected, not blocking.
        exchanges: For HTTP; None: bytes are only bytes.
        on_end: Called once, when nothing of the connection is left.
    """

    def __init__(
        self,
        client: socket.socket,
        server: socket.socket,
        dice: Dice,
        exchanges: Exchanges | None,
        on_end: Callable[[Connection], None],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.dice = dice
        self.exchanges = exchanges
        self._client = client
        self._server = server
        self._on_end = on_end
        self._is_ending = False
        self._is_over = False
        self._heard_out: set[socket.socket] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._rolled: dict[str, tuple[Toxic, Acting | None]] = {}
        self.lines = (Line(self, "upstream", client, server), Line(self, "downstream", server, client))

    def begin(self, toxics: Sequence[Toxic], faults: Sequence[HttpFault], tallies: Mapping[str, Tally]) -> None:
        """Start to carry, under these toxics and faults."""
        for line in self.lines:
            line.begin()
        self.replace(toxics, faults, tallies)

    def replace(self, toxics: Sequence[Toxic], faults: Sequence[HttpFault], tallies: Mapping[str, Tally]) -> None:
        """Other toxics and faults from now on; a toxic that stays keeps what was decided.

        Bytes that were dropped are missing: a connection that lost some ends when what dropped them goes.
        """
        if self._is_ending:
            return
        before = self._rolled
        self._rolled = {toxic.label: self._roll(toxic, before, tallies) for toxic in toxics}
        acting = [one for _, one in self._rolled.values() if one is not None]
        gone = [one for _, one in before.values() if one is not None and one not in acting]
        if any(one.dropped for one in gone):
            self.close()
            return
        keeps_pace = self._replace_faults(faults, tallies)
        for line in self.lines:
            if not self._is_ending:
                of_line = tuple(one for one in acting if one.toxic.stream == line.stream)
                line.replace(of_line, keeps_pace=keeps_pace)
        self._await_ending(acting)

    def _roll(
        self, toxic: Toxic, before: Mapping[str, tuple[Toxic, Acting | None]], tallies: Mapping[str, Tally]
    ) -> tuple[Toxic, Acting | None]:
        known = before.get(toxic.label)
        if known is not None and known[0] == toxic:
            return known
        hit = is_hit(toxic, self.dice)
        return toxic, Acting(toxic, tallies[toxic.label], time.monotonic()) if hit else None

    def _replace_faults(self, faults: Sequence[HttpFault], tallies: Mapping[str, Tally]) -> bool:
        if self.exchanges is None:
            return True
        known = {one.fault.label: one for one in self.exchanges.acting}
        before = self.exchanges.acting
        self.exchanges.acting = tuple(
            known[fault.label]
            if fault.label in known and known[fault.label].fault == fault
            else ActingFault(fault, tallies[fault.label])
            for fault in faults
        )
        return all(one in self.exchanges.acting for one in before)

    def _await_ending(self, acting: Sequence[Acting]) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        endings = [(ending, one) for one in acting if (ending := one.ends_at()) is not None]
        if endings and not self._is_ending:
            (at_s, how), one = min(endings, key=lambda ending: ending[0][0])
            left_s = max(0.0, at_s - time.monotonic())
            self._timer = self.loop.call_later(left_s, self._end_by, one, at_s, how)

    def _end_by(self, acting: Acting, at_s: float, how: Ending) -> None:
        if time.monotonic() < at_s:  # a loop's timers are as coarse as a millisecond, and may be early by that
            self._timer = self.loop.call_later(at_s - time.monotonic(), self._end_by, acting, at_s, how)
            return
        acting.count(0)
        if how == "reset":
            self.reset()
        else:
            self.close()

    def close_if_over(self) -> None:
        """Nothing is left to carry: both sides have said their end, and it was handed on or is dropped by a toxic."""
        if all(line.has_ended and (line.is_finished or line.flow.drops()) for line in self.lines):
            self.kill()

    def reset(self) -> None:
        """Both sides see a reset, at once."""
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):  # a socket that is dead already needs no reset
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.kill()

    def close(self) -> None:
        """Both sides see an orderly end after the bytes that they were sent; what they say from now on is not heard."""
        if self._is_ending:
            return
        self._stop()
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):  # one that is gone cannot be told
                end.shutdown(socket.SHUT_WR)
            self.loop.add_reader(end, self._hear_out, end)
        self._timer = self.loop.call_later(LINGER_S, self.kill)

    def _hear_out(self, end: socket.socket) -> None:
        try:
            if end.recv_into(_BUFFER):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.kill()
            return
        self.loop.remove_reader(end)
        self._heard_out.add(end)
        if len(self._heard_out) == 2:
            self.kill()

    def _stop(self) -> None:
        self._is_ending = True
        for line in self.lines:
            line.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def kill(self) -> None:
        """Close both sockets now."""
        if self._is_over:
            return
        self._is_over = True
        self._stop()
        for end in (self._client, self._server):
            self.loop.remove_reader(end)
            end.close()
        self._on_end(self)
