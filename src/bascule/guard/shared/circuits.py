"""Circuits of several processes that follow each other over a store.

Every circuit decides for itself, as if it were alone; what it decided is offered to the store with its generation, and
a newer state of the store is followed. One process at a time probes, as long as the store answers: whose half-open
state came first holds the trial, and the others wait until it is decided, or has taken longer than it may.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import secrets
import threading
from dataclasses import dataclass
from urllib.parse import quote

from bascule.guard.checks import number, refuse, seconds, whole
from bascule.guard.circuit_breaker.circuit import Circuit
from bascule.guard.circuit_breaker.policy import CircuitBreaker
from bascule.guard.circuit_breaker.states import State
from bascule.guard.per_key import PerKey
from bascule.guard.policy import Home
from bascule.guard.shared.courier import SOON, Courier
from bascule.guard.shared.facts import SharedValueIgnored
from bascule.guard.shared.records import Exchange, Offer, Record
from bascule.guard.shared.sharing import Sharing
from bascule.guard.shared.store import CircuitStore
from bascule.guard.stream import FACTS, Stream
from bascule.guard.world import REAL, World
from bascule.kernel.errors import InputError

AT_ONCE = 100
"""Circuits in one question to the store: its answer must not take long."""


@dataclass(slots=True)
class _Followed:
    """What is known of one circuit: what the store said last, and which of its own generations the store has heard."""

    circuit: Circuit
    heard: Record | None = None
    confirmed: int = 0
    is_told: bool = False


class SharedCircuits(Sharing):
    """Lets the circuits of breakers follow those of other processes.

    Args:
        store: Where they meet.
        name: Processes that use the same name follow each other; 1 to 100 printable characters.
        refresh_s: How often the store is asked, in seconds. Own changes are sent at once.
        keep_s: For how long the store keeps what no process asks for any more, in seconds.
        most_circuits: How many circuits are looked at in one refresh; of more than that, some each time.
        world: Time and luck.
        facts: Where it tells that the store was lost, found, or holds what cannot be read.

    Raises:
        InputError: One of them is impossible.
    """

    def __init__(
        self,
        store: CircuitStore,
        *,
        name: str = "bascule",
        refresh_s: float = 0.5,
        keep_s: float = 3600.0,
        most_circuits: int = 1000,
        world: World = REAL,
        facts: Stream = FACTS,
    ) -> None:
        self.name, self.refresh_s, self.keep_s, self.most_circuits = name, refresh_s, keep_s, most_circuits
        check_name(self, name)
        seconds(self, "refresh_s")
        number(self, "keep_s", least=2 * refresh_s + 1, most=1e8)
        whole(self, "most_circuits", least=1)
        self._store: CircuitStore = store
        self._world = world
        self._process = secrets.token_hex(8)
        self._breakers: dict[str, CircuitBreaker] = {}
        self._followed: dict[str, _Followed] = {}
        self._offset = 0
        self._sharing = threading.Lock()
        self._courier = Courier(Home(name, world, facts), self, refresh_s)

    def share(self, breaker: CircuitBreaker, name: str = "") -> None:
        """Let the breaker's circuits follow those of the breakers that other processes share under the same name.

        Args:
            breaker: It keeps deciding by itself.
            name: Its name among all processes; the name of its guard, if it is left out.

        Raises:
            InputError: There is no name, it is taken by another breaker, or this is closed.
        """
        if not name and not breaker.home.is_named:
            raise InputError(
                f"{type(self).__name__}.share: this breaker has no name that other processes know it by",
                hint="put it into a Guard(..., name=...) first, or give share() a name",
            )
        name = name or breaker.home.name
        with self._sharing:
            if self._courier.is_closed:
                raise InputError(f"{type(self).__name__}.share: it is closed", hint="make a new one")
            if self._breakers.get(name, breaker) is not breaker:
                raise InputError(f"{type(self).__name__}.share: another breaker is shared as {name!r} already")
            if name in self._breakers:
                return
            self._breakers = {**self._breakers, name: breaker}
        breaker.when_changed(self._changed)
        self._courier.wake(SOON)

    def _changed(self, circuit: Circuit) -> None:
        """Called while the circuit is locked: nothing but a word to the courier."""
        del circuit
        self._courier.wake(SOON)

    def turn(self, *, must_ask: bool = False) -> bool:
        """Offer and follow once. Called by the courier; a test without one calls it itself.

        Raises:
            StoreLostError: The store does not answer.
        """
        del must_ask  # it is asked each time, so that it is known whether it is there before it is needed
        followed = self._in_use()
        if not followed:
            self._store.ping()
        names = list(followed)
        for start in range(0, len(names), AT_ONCE):
            self._meet({name: followed[name] for name in names[start : start + AT_ONCE]})
        return True

    def _in_use(self) -> dict[str, _Followed]:
        """The circuits that there are, by their names in the store; what is known of others is forgotten."""
        circuits = {
            f"{{bascule:{self.name}}}:circuit:{name_in_store(name)}:{name_in_store(circuit.key)}": circuit
            for name, breaker in self._breakers.items()
            for circuit in breaker.circuits()
            if circuit.key != PerKey.SHARED  # what shares a circuit here is another thing elsewhere
        }
        known = {key: followed for key, followed in self._followed.items() if circuits.get(key) is followed.circuit}
        self._followed = {key: known.get(key) or _Followed(circuit) for key, circuit in circuits.items()}
        if len(self._followed) <= self.most_circuits:
            return self._followed
        start = self._offset % len(self._followed)
        self._offset = start + self.most_circuits
        some = itertools.islice(itertools.cycle(self._followed.items()), start, start + self.most_circuits)
        return dict(some)

    def _meet(self, some: dict[str, _Followed]) -> None:
        offers = [self._offer(key, followed) for key, followed in some.items()]
        answers = self._store.exchange(offers, self.keep_s)
        for offer, followed, answer in zip(offers, some.values(), answers, strict=True):
            if answer.is_garbage and not followed.is_told:
                self._courier.tell(SharedValueIgnored, key=offer.key)
            followed.is_told = answer.is_garbage
            self._follow(followed, offer, answer)

    def _offer(self, key: str, followed: _Followed) -> Offer:
        now = followed.circuit.snapshot()
        if now.generation == 0:
            return Offer(key, None)
        heard = followed.heard
        if heard is not None and heard.generation == now.generation:
            return Offer(key, heard)
        state = State(now.state)
        for_s = now.retry_after_s or 0.0
        if state is State.HALF_OPEN:
            for_s = followed.circuit.trial_s()
        record = Record(now.generation, state, now.is_forced, self._process, for_s)
        return Offer(key, record, insists=now.is_forced and followed.confirmed != now.generation)

    def _follow(self, followed: _Followed, offer: Offer, answer: Exchange) -> None:
        said, mine, circuit = answer.record, offer.record, followed.circuit
        if said is None:
            return
        if mine is not None and said.process == self._process == mine.process and said.state is mine.state:
            if circuit.renumber(mine.generation, said.generation):
                followed.confirmed = said.generation
            return
        if mine is not None and said.is_same(mine):
            return
        if said.state is State.ISOLATED and circuit.state is State.ISOLATED:
            circuit.renumber(circuit.generation, said.generation)
            followed.heard = said
        elif self._adopt(circuit, said):
            followed.heard = said

    def _adopt(self, circuit: Circuit, said: Record) -> bool:
        if said.state is State.CLOSED:
            return circuit.adopt(said.state, said.generation, 0.0)
        if said.state is State.ISOLATED:
            return circuit.adopt(said.state, said.generation, math.inf)
        # Whoever opened probes first: by the time that it is our turn, we have heard whether somebody does.
        hold_back_s = self.refresh_s * self._world.uniform(2.0, 4.0)
        return circuit.adopt(State.OPEN, said.generation, min(said.for_s, circuit.longest_open_s()) + hold_back_s)

    def forked(self) -> None:
        """Be another process than the parent."""
        self._process = secrets.token_hex(8)
        self._sharing = threading.Lock()
        self._store_forked()

    def __repr__(self) -> str:
        """Its name; nothing of where the store is."""
        return f"<{type(self).__name__} {self.name!r}: {', '.join(self._breakers) or 'nothing shared'}>"

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows."""
        return {"name": self.name, "is_lost": self._courier.is_lost, "circuits": len(self._followed)}


def check_name(owner: object, name: object) -> None:
    """Hold a name to be one that can stand in a key, a log line and the name of a thread."""
    if not isinstance(name, str) or not 1 <= len(name) <= 100 or not name.isprintable() or set("{}") & set(name):
        raise refuse(owner, "name", name, "1 to 100 printable characters without braces")


def name_in_store(name: str) -> str:
    """A name as part of a key: as it is where that can be read, and never long, whatever callers have sent."""
    safe = quote(name, safe="", errors="surrogatepass")
    if len(safe) <= 100:
        return safe
    return f"{safe[:60]}~{hashlib.blake2b(name.encode(errors='surrogatepass'), digest_size=16).hexdigest()}"
