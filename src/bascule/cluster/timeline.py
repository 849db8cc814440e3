"""What several agents told, as one picture: a column for each agent, a line for each moment.

The input is what agents write to standard error: one fact in JSON on each line, whatever stands before it. Lines are
put in order by their `time`, the wall clock of their machine, and lines without one by `at_s`, which the agents of one
machine share. The order of one agent's own lines is always kept. Clocks of machines differ: tokens say for sure which
term came before which.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from bascule.kernel.errors import InputError

LINE_LIMIT = 64 * 1024
MOST_LINES = 1_000_000
COLUMN_LEAST, COLUMN_MOST = 14, 44
_SIGNS: Mapping[str, str] = {
    "BecameActive": "■ ACTIVE",
    "StoppedActing": "□ stopped",
    "SessionStarted": "+ session",
    "SessionLost": "- session lost",
    "PeerEnded": "x ended",
    "LeaderElected": "· sees",
    "PromotionFailed": "! promotion failed",
    "DemotionFailed": "! demotion FAILED",
    "StoreLost": "~ store lost",
    "StoreBack": "~ store back",
    "BecameEligible": "may be chosen",
    "BecameIneligible": "may not be chosen",
    "HandoverStarted": "> hands over",
    "HandoverRefused": "! stays",
    "GuardianUndid": "□ undone by the guardian",
    "ClusterPaused": "~ PAUSED",
    "ClusterResumed": "~ resumed",
}
_TOLD_ELSEWHERE = frozenset({"fact", "at_s", "agent", "time", "level"})
_STOPS = frozenset({"StoppedActing", "GuardianUndid"})
_TOKEN_LEAST = 4
_EPOCH_S = 1e9
"""Later than this is a time of the wall clock: no machine has run for thirty years."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One fact of one agent, and the rest of what it says; `at_s` is of the wall clock, where the line has a time."""

    at_s: float
    agent: str
    fact: str
    values: Mapping[str, object]


def read(lines: Iterable[str]) -> list[Told]:
    """The facts of agents among these lines, by their times; other lines are passed over.

    Raises:
        InputError: There are more than a million lines.
    """
    found: list[Told] = []
    latest: dict[str, float] = {}
    for number, line in enumerate(lines):
        if number >= MOST_LINES:
            raise InputError(f"more than {MOST_LINES} lines", hint="cut out the time that matters")
        told = _fact(line)
        if told is not None:
            # A wall clock that is set back changes nothing in the order of one agent's own lines.
            latest[told.agent] = at_s = max(told.at_s, latest.get(told.agent, told.at_s))
            found.append(msgspec.structs.replace(told, at_s=at_s))
    return sorted(found, key=lambda one: one.at_s)


def _fact(line: str) -> Told | None:
    begin = line.find("{")
    if begin < 0 or len(line) > LINE_LIMIT:
        return None
    try:
        said = msgspec.json.decode(line[begin:], type=dict[str, object])
        at_s, agent, fact = said["at_s"], said["agent"], said["fact"]
    except (msgspec.DecodeError, KeyError, RecursionError):
        return None
    if not isinstance(at_s, int | float) or not isinstance(agent, str) or not isinstance(fact, str):
        return None
    values = {key: value for key, value in said.items() if key not in _TOLD_ELSEWHERE}
    wall_s = _seconds(said.get("time"))
    return Told(
        at_s=float(at_s) if wall_s is None else wall_s, agent=_printable(agent), fact=_printable(fact), values=values
    )


def _seconds(time: object) -> float | None:
    """Seconds since the Unix epoch of a time in ISO 8601."""
    try:
        return dt.datetime.fromisoformat(time).timestamp() if isinstance(time, str) else None
    except (ValueError, OverflowError):
        return None


class _Acting:
    """Who acts for what, as far as it was told."""

    def __init__(self) -> None:
        self._terms: dict[tuple[str, str], int] = {}

    def bar(self, agent: str) -> str:
        return "│" if any(one == agent for one, _ in self._terms) else " "

    def hear(self, one: Told) -> None:
        """Take in a fact; an agent that was killed cannot tell its own end, but others can."""
        group, token = str(one.values.get("group", "")), _number(one.values.get("token"))
        if one.fact in {"BecameActive", "LeaderElected"}:
            self._terms = {key: term for key, term in self._terms.items() if key[1] != group or term >= token}
        if one.fact == "BecameActive":
            self._terms[one.agent, group] = token
        elif one.fact in _STOPS:
            self._terms.pop((one.agent, group), None)
        elif one.fact == "PeerEnded":
            peer = one.values.get("peer")
            self._terms = {key: term for key, term in self._terms.items() if key[0] != peer}


def render(told: Iterable[Told], *, width: int = 120) -> str:
    """The picture: seconds since the first fact, then a column for each agent.

    Args:
        told: From `read`.
        width: Of the whole, in characters; columns are between 14 and 44 wide.
    """
    facts = list(told)
    if not facts:
        return "no fact of an agent is among these lines"
    agents = sorted({one.agent for one in facts})
    column = max(COLUMN_LEAST, min(COLUMN_MOST, (width - 11) // len(agents) - 1))
    begin_s, digits = facts[0].at_s, _digits(facts)
    begun = dt.datetime.fromtimestamp(begin_s, tz=dt.UTC).isoformat(" ", "milliseconds") if begin_s > _EPOCH_S else ""
    lines = [f"from {begun}"] if begun else []
    lines.append(" " * 11 + " ".join(f"{_cut(agent, column):{column}}" for agent in agents))
    acting = _Acting()
    for one in facts:
        before = {agent: acting.bar(agent) for agent in agents}
        acting.hear(one)
        cells = ["┆" if acting.bar(agent) != before[agent] == "│" else before[agent] for agent in agents]
        cells[agents.index(one.agent)] = _cut(_cell(one, digits), column)
        lines.append(f"{one.at_s - begin_s:9.3f}  " + " ".join(f"{cell:{column}}" for cell in cells).rstrip())
    return "\n".join(lines)


def _digits(facts: Sequence[Told]) -> int:
    """How many of a token's last digits tell all of them apart."""
    tokens = {str(one.values["token"]) for one in facts if one.values.get("token")}
    digits = _TOKEN_LEAST
    while len({token[-digits:] for token in tokens}) < len(tokens):
        digits += 1
    return digits


def _cell(one: Told, digits: int) -> str:
    sign = _SIGNS.get(one.fact, one.fact)
    group, token = one.values.get("group", ""), str(one.values.get("token") or "")
    short = f"…{token[-digits:]}" if len(token) > digits + 1 else token
    rest = [str(one.values[key]) for key in ("holder", "peer", "to", "why") if one.values.get(key)]
    words = [sign, str(group), *([f"#{short}"] if short else []), *rest]
    return _printable(" ".join(word for word in words if word))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text[:400])
