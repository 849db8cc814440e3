"""Facts: what happened, as frozen structs, and the bus that carries them.

A fact is named in the past tense and its name is public API. Facts travel one way: from the room
in which something happened to whoever listens. A listener can neither break nor veto a fact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened.

    Attributes:
        at_s: When, in seconds of the monotonic clock that the run uses.
    """

    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerFailed(Fact):
    """A listener raised while it heard a fact; the others heard it all the same."""

    listener: str
    heard: str
    error: str


Listener = Callable[[Fact], None]


class Bus:
    """Carries each fact to every listener, in the order in which they subscribed.

    Invariant: `publish` never raises because of a listener; a failing listener becomes a
    `ListenerFailed` fact that the other listeners hear.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Let `listener` hear every fact from now on; returns the call that ends it."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def publish(self, fact: Fact) -> None:
        """Tell every listener."""
        for listener in tuple(self._listeners):
            try:
                listener(fact)
            except Exception as error:  # noqa: BLE001 - a listener must never break what it listens to
                self._report(listener, fact, error)

    def _report(self, failed: Listener, fact: Fact, error: Exception) -> None:
        if isinstance(fact, ListenerFailed):
            return  # a listener that fails on failures is not told about them again
        name = getattr(failed, "__qualname__", type(failed).__qualname__)
        report = ListenerFailed(at_s=fact.at_s, listener=name, heard=type(fact).__name__, error=str(error))
        for listener in tuple(self._listeners):
            if listener is not failed:
                try:
                    listener(report)
                except Exception:  # noqa: BLE001, S112 - reporting a failure must not start a chain of them
                    continue
