"""What operators order: written to the store, and seen to be done."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from msgspec import structs

from bascule.cluster.agent.control import Request
from bascule.cluster.agent.driver import Driver
from bascule.cluster.decisions import eligibility
from bascule.cluster.decisions.state import Turn
from bascule.cluster.records import ORDERS, SETTINGS, Claim, Order, Settings, UnreadableError, decode, encode
from bascule.cluster.stores.port import Store
from bascule.kernel.clock import Clock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import BasculeError, ClusterError, InputError, StoreError

SWITCHOVER_LIMIT_S = 30.0
STORE_LIMIT_S = 5.0
POLL_S = 0.01


class Orders:
    """Carries out what an agent is ordered to do with its cluster.

    Args:
        driver: The agent's; what it knows is what is looked at.
        store: Where orders are written.
        cluster: The cluster's name.
        clock: The agent's.
        fence: Cuts off a peer, on behalf of a group or of a person.
    """

    def __init__(
        self,
        driver: Driver,
        store: Store,
        cluster: str,
        clock: Clock,
        fence: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._driver = driver
        self._store = store
        self._prefix = f"bascule/{cluster}/"
        self._clock = clock
        self._fence = fence

    async def switchover(self, request: Request) -> dict[str, object]:
        """Order a handover, and see it done; one that is not done in time is withdrawn.

        Raises:
            InputError: There is no such group.
            ClusterError: Nobody holds it, nobody else may, or it was not done.
        """
        holder, token = self._may_be_handed_over(request)
        began_s = self._clock.monotonic_s()
        by = request.by or "an operator"
        order = Order(group=request.group, id=secrets.token_hex(8), token=token, to=request.to, by=by)
        await self._swap(ORDERS + request.group, lambda _: encode(order))
        while self._clock.monotonic_s() < began_s + SWITCHOVER_LIMIT_S:
            state = self._driver.state
            if order.id in state.refused:
                raise ClusterError(f"{request.group} stays with {holder}: {state.refused[order.id]}")
            now = state.groups[request.group]
            if now.claim and now.claim.holder and now.revision > token and now.claim.holder != holder:
                took_s = round(self._clock.monotonic_s() - began_s, 3)
                return {"group": request.group, "from": holder, "to": now.claim.holder, "took_s": took_s}
            await asyncio.sleep(POLL_S)
        raise await self._withdrawn(order)

    def _may_be_handed_over(self, request: Request) -> tuple[str, int]:
        """The holder and its term, if somebody else may follow."""
        state = self._driver.state
        group = state.groups.get(request.group)
        if group is None:
            known = ", ".join(state.groups) or "none"
            raise InputError(f"this agent has no group {request.group!r}", hint=f"it has {known}")
        claim = group.claim or Claim(group=request.group)
        if not claim.holder:
            raise ClusterError(f"nobody holds {request.group}", hint="bascule cluster status")
        if request.to == claim.holder:
            raise ClusterError(f"{request.to} holds {request.group} already")
        turn = Turn(state, self._clock.monotonic_s(), LoadedDice(()))
        if not eligibility.is_alive(turn, claim.holder):
            raise ClusterError(
                f"{claim.holder}, which holds {request.group}, cannot hand it over: its session is over",
                hint="it is followed without an order, except during a pause",
            )
        if request.to:
            why = eligibility.refusal(turn, request.group, request.to)
            if why:
                raise ClusterError(f"{request.group} stays with {claim.holder}: {why}")
        elif not eligibility.candidates(turn, request.group).keys() - {claim.holder}:
            raise ClusterError(f"nobody else may be chosen for {request.group}", hint="bascule cluster status says why")
        return claim.holder, group.revision

    async def _withdrawn(self, order: Order) -> ClusterError:
        """What to say of an order that was not carried out in time."""
        void = structs.replace(order, id=secrets.token_hex(8), token=0)
        try:
            await self._swap(ORDERS + order.group, lambda _: encode(void))
            fate = "the order is withdrawn"
        except BasculeError as error:
            fate = f"the order still stands, since it could not be withdrawn ({error})"
        return ClusterError(
            f"{order.group} was not handed over within {SWITCHOVER_LIMIT_S:g} s; {fate}",
            hint="bascule cluster status says what it waits for",
        )

    async def settle(self, *, paused: bool, by: str) -> dict[str, object]:
        """Pause the cluster, or let it go on.

        Raises:
            ClusterError: Somebody else asked for something at the same time.
            StoreError: The store does not answer.
        """
        await self._change(lambda there: structs.replace(there, paused=paused, by=by[:400]))
        return {"paused": paused}

    async def fence(self, request: Request, own_name: str) -> dict[str, object]:
        """Cut a peer off, or take the operator's word that it is off, and let its groups be taken over at once.

        Raises:
            InputError: There is no such peer.
            FenceError: It is not sure that it is off.
        """
        peer = self._driver.state.peers.get(request.peer)
        if peer is None:
            known = ", ".join(self._driver.state.peers) or "none"
            raise InputError(f"no agent is called {request.peer!r}", hint=f"known: {known}")
        mine = self._driver.state.mine
        is_anothers = not mine.session and peer.record.session not in mine.ours
        if request.peer == own_name and not (request.confirmed and is_anothers):
            hint = "stop it; if a second agent of its name has the session: --confirmed, once that one is off for sure"
            raise InputError("an agent does not fence itself", hint=hint)
        if not request.confirmed:
            await self._fence(request.peer, "ordered")
        dead = f"{request.peer}/{peer.record.session}"
        settings = await self._change(lambda there: structs.replace(there, freed=(*there.freed, dead)[-50:]))
        return {"fenced": request.peer, "session": peer.record.session, "paused": settings.paused}

    async def _change(self, change: Callable[[Settings], Settings]) -> Settings:
        """Change what the store says now, not what was seen of it: somebody else may just have changed it too."""
        changed = Settings()

        def new(there: bytes) -> bytes:
            nonlocal changed
            changed = change(decode(there, Settings) if there else Settings())
            return encode(changed)

        await self._swap(SETTINGS, new)
        return changed

    async def _swap(self, key: str, new: Callable[[bytes], bytes]) -> None:
        full = self._prefix + key
        try:
            async with asyncio.timeout(STORE_LIMIT_S):
                there = [entry for entry in await self._store.read(full) if entry.key == full]
                before, revision = (there[0].value, there[0].revision) if there else (b"", 0)
                written = await self._store.swap(full, new(before), revision)
        except UnreadableError as error:
            raise StoreError(f"{key} cannot be read: {error}", where=self._store.name) from None
        except TimeoutError:
            raise StoreError(f"it does not answer within {STORE_LIMIT_S:g} s", where=self._store.name) from None
        if written is None:
            raise ClusterError("somebody else asked for something at the same time", hint="look, and ask again")
