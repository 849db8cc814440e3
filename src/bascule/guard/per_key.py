"""State for each key of a call, such as the host that it goes to, within a bound: keys may come from outside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from itertools import islice
from typing import Generic, Protocol, TypeVar

from bascule.kernel.errors import InputError


class Forgettable(Protocol):
    """State that can be dropped and made again while it is idle."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost."""
        ...


StateT = TypeVar("StateT", bound=Forgettable)


class PerKey(Generic[StateT]):
    """One state for each of at most `most` keys. Idle ones make room; when none is idle, new keys share one."""

    SHARED = "(other keys)"

    def __init__(self, make: Callable[[Hashable], StateT], most: int) -> None:
        self.most = most
        self._make = make
        self._states: dict[Hashable, StateT] = {}
        self._shared: StateT | None = None
        self._lock = threading.RLock()

    def of(self, key: Hashable) -> StateT:
        """The state of a key.

        Raises:
            InputError: It cannot be hashed.
        """
        try:
            state = self._states.get(key)
        except TypeError as error:
            hint = "let key= make something that can be hashed, such as a string or a tuple"
            raise InputError(f"a {type(key).__name__} cannot be a key: {error}", hint=hint) from error
        return state if state is not None else self._add(key)

    def all(self) -> list[StateT]:
        """Every state that there is."""
        with self._lock:
            shared = [self._shared] if self._shared is not None else []
            return [*self._states.values(), *shared]

    def _add(self, key: Hashable) -> StateT:
        with self._lock:
            state = self._states.get(key)
            if state is not None:
                return state
            if len(self._states) >= self.most and not self._forget_one():
                if self._shared is None:
                    self._shared = self._make(self.SHARED)
                return self._shared
            state = self._states[key] = self._make(key)
            return state

    def _forget_one(self) -> bool:
        """Make room; looks at a few of the oldest only, so that a flood of keys costs little."""
        for key in list(islice(self._states, 8)):
            state = self._states.pop(key)
            if state.is_idle:
                return True
            self._states[key] = state  # to the end: others are looked at next time
        return False
