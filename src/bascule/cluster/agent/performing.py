"""Has actuators do what the decisions want: in order, within their time, and looked at again and again afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from msgspec import structs

from bascule.cluster import facts
from bascule.cluster.actuators.port import Actuator, Term
from bascule.cluster.agent.acting import Hear
from bascule.cluster.decisions import events
from bascule.kernel.clock import Clock
from bascule.kernel.errors import ActuatorError, BasculeError, ConflictError
from bascule.kernel.facts import Fact

LEAST_S = 0.05
Fence = Callable[[str, str], Coroutine[Any, Any, None]]
"""Cuts off the peer of this name, on behalf of a group; returns once that is confirmed, or raises `FenceError`."""


class Cast:
    """One group's actuators, and the one thing that is being done with them."""

    def __init__(self, name: str, actuators: Sequence[Actuator]) -> None:
        self.name = name
        self.actuators = tuple(actuators)
        self.term: Term | None = None
        self.leaving = False
        self.task: asyncio.Task[None] | None = None
        self.looking: asyncio.Task[None] | None = None

    async def interrupt(self) -> None:
        """Give up what is being done; nothing of it runs when this returns."""
        for task in (self.task, self.looking):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


class Performer:
    """Carries out the decisions' wishes by actuators; the `Acting` of an agent.

    Args:
        cluster, agent: Their names.
        casts: The actuators of each group, in order of promotion; they are undone in reverse.
        clock: The agent's.
        publish: Hears facts.
        fence: Cuts off a peer.
        on_hold: Told with each change until when which groups are held: group -> end of the validity.
        promote_s, demote_s: How long a promotion, and an orderly demotion, may take.
        verify_s: How often what follows the lease is looked at.
    """

    def __init__(
        self,
        cluster: str,
        agent: str,
        casts: Mapping[str, Sequence[Actuator]],
        *,
        clock: Clock,
        publish: Callable[[Fact], None],
        fence: Fence,
        on_hold: Callable[[Mapping[str, float]], None] = lambda _: None,
        promote_s: float = 10.0,
        demote_s: float = 10.0,
        verify_s: float = 1.0,
    ) -> None:
        self._cluster = cluster
        self._agent = agent
        self._casts = {name: Cast(name, actuators) for name, actuators in casts.items()}
        self._clock = clock
        self._publish = publish
        self._fence = fence
        self._on_hold = on_hold
        self._promote_s = promote_s
        self._demote_s = demote_s
        self._verify_s = verify_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._hear: Hear = lambda _: None

    # -- what the driver asks for

    def promote(self, group: str, token: int, until_s: float, hear: Hear) -> None:
        """Make the group active here."""
        self._hear = hear
        cast = self._casts[group]
        cast.leaving = False
        cast.term = Term(cluster=self._cluster, group=group, agent=self._agent, token=token, until_s=until_s)
        self._told()
        cast.task = self._start(self._promote(cast, cast.task, hear))

    def extend(self, until_s: float) -> None:
        """The validity of every active group ends at `until_s`."""
        for cast in self._casts.values():
            if cast.term is not None and until_s > cast.term.until_s:
                cast.term = structs.replace(cast.term, until_s=until_s)
                for actuator in cast.actuators:
                    try:
                        actuator.extend(cast.term)
                    except ActuatorError as error:
                        self._mend(cast, actuator, _text(actuator.name, error))
        self._told()

    def demote(self, group: str, token: int, until_s: float, why: str, hear: Hear) -> None:
        """Make the group passive here."""
        del token, why
        cast = self._casts[group]
        cast.leaving = True
        cast.task = self._start(self._demote(cast, cast.task, until_s, hear))

    def announce(self) -> None:
        """Have the addresses of active groups announced again."""
        for cast in self._casts.values():
            for actuator in cast.actuators if cast.term is not None else ():
                again = getattr(actuator, "announce", None)
                if again is not None:
                    again()

    def fence(self, peer: str, session: str, group: str, hear: Hear) -> None:
        """Cut a peer off for sure."""
        self._start(self._cut_off(peer, session, group, hear))

    # -- beginning and end

    async def undo_leftovers(self) -> None:
        """Undo what an earlier process may have left.

        Raises:
            ActuatorError: Something may still act.
        """
        undone = await asyncio.gather(
            *(self._undo(cast, self._demote_s) for cast in self._casts.values()), return_exceptions=True
        )
        failed = [one for one in undone if isinstance(one, BaseException)]
        if len(failed) == 1:
            raise failed[0]
        if failed:
            raise ActuatorError("; ".join(dict.fromkeys(str(one) for one in failed)))

    async def undo(self, group: str, within_s: float) -> None:
        """Undo what follows the lease of one group, within this time.

        Raises:
            ActuatorError: Something may still act.
        """
        await self._undo(self._casts[group], within_s)

    async def give_up(self) -> bool:
        """Stop everything that is being done, undo everything, and let go; returns whether all of it was undone."""
        for cast in self._casts.values():
            await cast.interrupt()
        undone = await asyncio.gather(
            *(self._undo(cast, self._demote_s) for cast in self._casts.values()), return_exceptions=True
        )
        await self.close()
        return not any(isinstance(one, BaseException) for one in undone)

    async def close(self) -> None:
        """Let go of connections; changes nothing outside."""
        for cast in self._casts.values():
            await cast.interrupt()
            for actuator in cast.actuators:
                await actuator.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def restore(self, group: str, why: str) -> None:
        """Make a group active again that somebody else undid here; nothing where it is not active."""
        cast = self._casts.get(group)
        if cast is None or cast.term is None or cast.leaving or cast.term.until_s <= self._clock.monotonic_s():
            return
        if cast.task is None or cast.task.done():
            cast.task = self._start(self._restore(cast, why))

    def add(self, group: str, actuators: Sequence[Actuator]) -> None:
        """Take in a group, or other actuators for one that is not active."""
        self._casts[group] = Cast(group, actuators)

    def is_active(self, group: str) -> bool:
        """Something may be acting for the group."""
        return group in self._casts and self._casts[group].term is not None

    # -- how

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _told(self) -> None:
        self._on_hold({cast.name: cast.term.until_s for cast in self._casts.values() if cast.term is not None})

    async def _promote(self, cast: Cast, before: asyncio.Task[None] | None, hear: Hear) -> None:
        await _end(before)
        doing = ""
        try:
            async with asyncio.timeout(self._promote_s):
                for actuator in cast.actuators:
                    doing = actuator.name
                    if cast.term is not None:
                        await actuator.promote(cast.term)
        except TimeoutError:
            why = f"{doing}: it took longer than {self._promote_s:g} s"
            hear(events.PromotingFailed(group=cast.name, why=why))
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the group is not active
            why = _text(doing, error)
            hear(events.PromotingFailed(group=cast.name, why=why, conflict=isinstance(error, ConflictError)))
        else:
            if cast.actuators:
                cast.looking = self._start(self._look(cast, hear))
            hear(events.Promoted(group=cast.name))

    async def _demote(self, cast: Cast, before: asyncio.Task[None] | None, until_s: float, hear: Hear) -> None:
        await _end(before)
        await _end(cast.looking)
        left_s = until_s - self._clock.monotonic_s()
        # What begins before the validity ends is broken off at its end, and done anew. After it nothing is gained by
        # that: whatever still acts has to be given the time that it takes to stop.
        try:
            await self._undo(cast, self._demote_s if left_s <= 0 else min(max(LEAST_S, left_s), self._demote_s))
        except Exception as error:  # noqa: BLE001 - whatever went wrong, something may still act
            hear(events.DemotingFailed(group=cast.name, why=_words(error)))
        else:
            cast.term = None
            self._told()
            hear(events.Demoted(group=cast.name))

    async def _undo(self, cast: Cast, limit_s: float) -> None:
        """Undo all actuators in reverse order, each of them, whatever becomes of the others.

        Raises:
            ActuatorError: Something may still act.
        """
        failures: list[str] = []
        end_s = asyncio.get_running_loop().time() + limit_s
        for actuator in reversed(cast.actuators):
            try:
                async with asyncio.timeout_at(max(end_s, asyncio.get_running_loop().time() + LEAST_S)):
                    await actuator.demote()
            except TimeoutError:
                failures.append(f"{actuator.name}: it took longer than {limit_s:.3g} s")
            except Exception as error:  # noqa: BLE001 - the other actuators are undone all the same
                failures.append(_text(actuator.name, error))
        if failures:
            raise ActuatorError("; ".join(failures))

    async def _look(self, cast: Cast, hear: Hear) -> None:
        """See from time to time that it is still so; what is not so any more is done once more."""
        while True:
            await asyncio.sleep(self._verify_s)
            for actuator in cast.actuators:
                if await actuator.look() == "passive" and not await self._again(cast, actuator, hear):
                    return

    def _mend(self, cast: Cast, actuator: Actuator, why: str) -> None:
        """What could not be extended is done once more, unless something is being done with the group anyway."""
        if not cast.leaving and (cast.task is None or cast.task.done()):
            cast.task = self._start(self._mend_now(cast, actuator, why))

    async def _mend_now(self, cast: Cast, actuator: Actuator, why: str) -> None:
        await _end(cast.looking)
        if await self._again(cast, actuator, self._hear, why):
            cast.looking = self._start(self._look(cast, self._hear))

    async def _restore(self, cast: Cast, why: str) -> None:
        await _end(cast.looking)
        for actuator in cast.actuators:
            if not await self._again(cast, actuator, self._hear, why):
                return
        if cast.actuators:
            cast.looking = self._start(self._look(cast, self._hear))

    async def _again(self, cast: Cast, actuator: Actuator, hear: Hear, why: str = "") -> bool:
        """Do again what is not so any more; what cannot be done is heard of."""
        if cast.term is None:
            return True
        try:
            async with asyncio.timeout(self._promote_s):
                await actuator.promote(cast.term)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, it is not so
            again = _text(actuator.name, error)
            hear(events.ActingFailed(group=cast.name, why=f"{why}; once more: {again}" if why else again))
            return False
        now_s = self._clock.monotonic_s()
        self._publish(facts.ActuatorMended(at_s=now_s, agent=self._agent, group=cast.name, actuator=actuator.name))
        return True

    async def _cut_off(self, peer: str, session: str, group: str, hear: Hear) -> None:
        try:
            await self._fence(peer, group)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, it is not sure that the peer is off
            hear(events.Fenced(peer=peer, session=session, confirmed=False, why=_words(error)))
        else:
            hear(events.Fenced(peer=peer, session=session, confirmed=True))


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None and not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, BasculeError) else f"{type(error).__name__}: {error}"


def _text(name: str, error: Exception) -> str:
    """What an actuator says, after its name; many begin with it by themselves."""
    told = _words(error)
    return told if told.startswith(name) else f"{name}: {told}"
