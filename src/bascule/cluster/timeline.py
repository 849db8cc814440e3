"""What several agents told, as one picture: a column for each agent, a line for each moment. Pure.

The input is what agents write to standard error: one fact in JSON on each line, whatever stands before it. The clocks
of different machines differ: their lines are put in order by `at_s`, which is right for agents of one machine, and for
others as well as their clocks agree; tokens say for sure which term came before which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
}
_TOLD_ELSEWHERE = frozenset({"fact", "at_s", "agent"})


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One fact of one agent, and the rest of what it says."""

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
    for number, line in enumerate(lines):
        if number >= MOST_LINES:
            raise InputError(f"more than {MOST_LINES} lines", hint="cut out the time that matters")
        told = _fact(line)
        if told is not None:
            found.append(told)
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
    return Told(at_s=float(at_s), agent=_printable(agent), fact=_printable(fact), values=values)


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
    begin_s = facts[0].at_s
    lines = [" " * 11 + " ".join(f"{agent[:column]:{column}}" for agent in agents)]
    active = dict.fromkeys(agents, False)
    for one in facts:
        cells = ["│" if active[agent] else " " for agent in agents]
        cells[agents.index(one.agent)] = _cell(one)[:column]
        lines.append(f"{one.at_s - begin_s:9.3f}  " + " ".join(f"{cell:{column}}" for cell in cells).rstrip())
        if one.fact in {"BecameActive", "StoppedActing"}:
            active[one.agent] = one.fact == "BecameActive"
    return "\n".join(lines)


def _cell(one: Told) -> str:
    sign = _SIGNS.get(one.fact, one.fact)
    group, token = one.values.get("group", ""), one.values.get("token", "")
    rest = [str(one.values[key]) for key in ("holder", "peer", "to", "why") if one.values.get(key)]
    words = [sign, str(group), *([f"#{token}"] if token else []), *rest]
    return _printable(" ".join(word for word in words if word))


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text[:400])
