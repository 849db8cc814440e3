"""The states of a circuit and how one leads to another. Pure: a table."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """What a circuit does with calls."""

    CLOSED = "closed"
    """They pass, and are counted."""
    OPEN = "open"
    """They are refused, until a time."""
    HALF_OPEN = "half_open"
    """A few pass as probes, the others are refused."""
    ISOLATED = "isolated"
    """They are refused, until an operator says otherwise."""

    @property
    def rank(self) -> int:
        """Which of two states counts that two processes reached at the same generation: the larger one's."""
        return _RANKS[self]


_RANKS = {State.HALF_OPEN: 0, State.CLOSED: 1, State.OPEN: 2, State.ISOLATED: 3}


class Event(Enum):
    """What moves a circuit."""

    TRIPPED = "the rates of failures or slow calls reached their threshold"
    WAITED = "the time for which it was open is over"
    PROVED = "enough probes went well"
    REFUTED = "too many probes failed"
    HUNG = "the probes were not decided in time"
    FORCED_OPEN = "an operator opened it"
    FORCED_CLOSED = "an operator closed it"
    ISOLATED = "an operator isolated it"


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.CLOSED, Event.TRIPPED): State.OPEN,
    (State.OPEN, Event.WAITED): State.HALF_OPEN,
    (State.HALF_OPEN, Event.PROVED): State.CLOSED,
    (State.HALF_OPEN, Event.REFUTED): State.OPEN,
    (State.HALF_OPEN, Event.HUNG): State.OPEN,
    **{(state, Event.FORCED_OPEN): State.OPEN for state in State},
    **{(state, Event.FORCED_CLOSED): State.CLOSED for state in State},
    **{(state, Event.ISOLATED): State.ISOLATED for state in State},
}
"""What is not here does not happen: a late success, for one, closes nothing."""

BY_OPERATOR = frozenset({Event.FORCED_OPEN, Event.FORCED_CLOSED, Event.ISOLATED})
"""What somebody said, and no rate and no probe decided."""
