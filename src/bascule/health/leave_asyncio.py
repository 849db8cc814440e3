"""Leaving, driven by a task: for ASGI servers and whatever else runs on an event loop."""

from __future__ import annotations

from inspect import isawaitable, iscoroutinefunction
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from bascule.health.leave_threads import hung, in_thread
from bascule.health.leaving import Do, Heard, Leaving, Wait
from bascule.health.wording import told

if TYPE_CHECKING:
    import asyncio


class UvicornServer(Protocol):
    """What is asked of `uvicorn.Server`."""

    should_exit: bool
    force_exit: bool

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Hear a signal."""
        ...


class AsyncLeave(Leaving):
    """Within this context, SIGTERM makes the process leave without dropping work.

    ::

        leave = AsyncLeave(health)
        leave.closer("database", pool.close)
        server = uvicorn.Server(uvicorn.Config(leave.asgi(app)))
        leave.uvicorn(server)
        async with leave:
            await server.serve()

    The body must end when it is told to stop (`stop`, or `await leave.wait_stopping()`). Its end closes what was
    registered, also when no signal came. A closer that is a coroutine function runs on the loop, a plain function in a
    thread; `stop`, if it is a plain function, is called by the loop and must not block.
    """

    _loop: asyncio.AbstractEventLoop
    _heard: asyncio.Queue[Heard]
    _leader: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        """Hear the signals, where Python hears them: in the main thread."""
        import asyncio  # noqa: PLC0415 - who has no event loop does not pay for it

        self._loop = asyncio.get_running_loop()
        self._heard = asyncio.Queue()
        self.enter()
        self._leader = self._loop.create_task(self._drive(self._heard), name="bascule-leave")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until what is in flight is done and everything is closed."""
        import asyncio  # noqa: PLC0415 - imported by now

        try:
            self.post(Heard("ended"))
            # Not awaited itself: who cancels this waiting does not mean to leave the pools open.
            await asyncio.wait({self._leader})
            self._leader.result()
        finally:
            self.give_signals_back()

    def uvicorn(self, server: UvicornServer) -> None:
        """Let this server's signals begin the leave, and let the leave stop it; it then ends with exit code 0."""

        def stop() -> None:
            server.should_exit = True

        def end() -> None:
            server.force_exit = server.should_exit = True

        self._stop, self._at_the_end = stop, end
        server.handle_exit = self.on_signal  # type: ignore[method-assign] # an override that needs no subclass

    async def wait_stopping(self) -> None:
        """Return when no new work may be taken: what a body without a server of its own waits for."""
        while not self.stopping.is_done:
            await self.stopping.wait_async(3600.0)

    def post(self, heard: Heard) -> None:
        """Let the driver hear of an event; called from any thread, and from signal handlers."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._heard.put_nowait, heard)

    async def _drive(self, queue: asyncio.Queue[Heard]) -> None:
        lead = self.lead()
        command = next(lead, None)
        while command is not None:
            answer = await _next(queue, command) if isinstance(command, Wait) else await _do(command)
            try:
                command = lead.send(answer)
            except StopIteration:
                return


async def _next(queue: asyncio.Queue[Heard], command: Wait) -> Heard:
    import asyncio  # noqa: PLC0415 - imported by now

    try:
        async with asyncio.timeout(command.within_s if command.within_s < float("inf") else None):
            return await queue.get()
    except TimeoutError:
        return Heard("tick")


async def _do(command: Do) -> str:
    if command.is_quick or iscoroutinefunction(command.call):
        return await _do_here(command)
    call = in_thread(command)
    return call.error if await call.waiting.wait_async(command.within_s) else hung(command)


async def _do_here(command: Do) -> str:
    import asyncio  # noqa: PLC0415 - imported by now

    try:
        result = command.call()
    except Exception as error:  # noqa: BLE001 - told in the fact; the other closers have their turn
        return told(error)
    if not isawaitable(result):
        return ""
    # Not awaited itself: one that does not let itself be cancelled would be waited for without end.
    work = asyncio.ensure_future(result)
    await asyncio.wait({work}, timeout=command.within_s)
    if not work.done():
        work.cancel()
        return hung(command)
    failure = None if work.cancelled() else work.exception()
    return told(failure) if failure else ""
