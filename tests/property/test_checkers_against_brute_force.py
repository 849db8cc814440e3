"""The fast checkers of histories against the definition: try every order that time allows."""

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest

from bascule.measure.checkers import Operation, check_appends, check_register, check_staleness
from bascule.measure.checkers.operations import Fate, Value

FATES: tuple[Fate, ...] = ("ok", "ok", "ok", "unknown", "failed")
HISTORIES = 200_000
State = tuple[int, ...] | int | None


def explains(operations: Sequence[Operation], initial: State, after: Callable[[Operation, State], State | str]) -> bool:
    """Whether some order of the operations, allowed by time, is one that a single copy would have given.

    Args:
        operations: The history; what surely failed, and reads without an answer, have no place in the order.
        initial: Of the object.
        after: Its state after an operation; a string if it could not have answered so.
    """
    todo = [
        one for one in operations if one.fate == "ok" or (one.fate == "unknown" and one.kind in {"write", "append"})
    ]
    dead: set[tuple[int, State]] = set()

    def place(done: int, state: State) -> bool:
        left = [place for place in range(len(todo)) if not done >> place & 1]
        if all(todo[each].fate == "unknown" for each in left):
            return True
        if (done, state) in dead:
            return False
        dead.add((done, state))
        first_end_s = min(todo[each].done_s for each in left)
        for each in left:
            if todo[each].invoked_s > first_end_s:
                continue
            then = after(todo[each], state)
            if not isinstance(then, str) and place(done | 1 << each, then):
                return True
        return False

    return place(0, initial)


def register(one: Operation, state: State) -> State | str:
    if one.kind == "read":
        return state if one.value == state else "another value"
    return one.value


def appended(one: Operation, state: State) -> State | str:
    assert isinstance(state, tuple)
    if one.kind == "list":
        return state if one.value == state else "another list"
    assert isinstance(one.value, int)
    return (*state, one.value)


def spans(dice: random.Random) -> Iterator[tuple[float, float]]:
    """Begin and end of up to seven operations; few different instants, so that many of them meet."""
    reach = dice.choice((3, 6, 12))
    longest = dice.choice((1, 3, 6))
    for _ in range(dice.randint(1, 7)):
        begun = dice.randint(0, reach)
        yield float(begun), float(begun + dice.randint(0, longest))


def register_history(dice: random.Random) -> list[Operation]:
    values: list[Value] = [None]
    history: list[Operation] = []
    reads: list[tuple[float, float]] = []
    for begun_s, ended_s in spans(dice):
        if dice.random() < 0.5:
            values.append(len(values))
            history.append(Operation("write", "x", values[-1], begun_s, ended_s, dice.choice(FATES)))
        else:
            reads.append((begun_s, ended_s))
    return history + [Operation("read", "x", dice.choice(values), *span) for span in reads]


def list_history(dice: random.Random) -> list[Operation]:
    """Reads are beginnings of one order, most of the time: a random list is hardly ever right."""
    history: list[Operation] = []
    reads: list[tuple[float, float]] = []
    for begun_s, ended_s in spans(dice):
        if dice.random() < 0.5:
            history.append(Operation("append", "x", len(history) + 1, begun_s, ended_s, dice.choice(FATES)))
        else:
            reads.append((begun_s, ended_s))
    order = [one.value for one in sorted(history, key=lambda one: one.invoked_s + dice.random() * 3)]
    kept = [value for value in order if isinstance(value, int) and dice.random() < 0.9]
    for span in reads:
        length = dice.randint(0, len(kept))
        seen = kept[:length] if dice.random() < 0.9 else dice.sample(kept, length)
        history.append(Operation("list", "x", tuple(seen), *span))
    return history


def disagreements(
    histories: Iterable[list[Operation]],
    sound: Callable[[list[Operation]], bool],
    defined: Callable[[list[Operation]], bool],
) -> tuple[list[list[Operation]], int]:
    """The histories on which a checker and the definition disagree, and how many were sound."""
    wrong: list[list[Operation]] = []
    sounds = 0
    for history in histories:
        expected = defined(history)
        sounds += expected
        if sound(history) != expected:
            wrong.append(history)
    return wrong, sounds


@pytest.mark.timeout(900)
def test_zones_agree_with_brute_force_on_two_hundred_thousand_histories_of_a_register() -> None:
    dice = random.Random(1)  # noqa: S311 - luck that repeats
    wrong, sounds = disagreements(
        (register_history(dice) for _ in range(HISTORIES)),
        lambda history: check_register(history).violations == 0,
        lambda history: explains(history, None, register),
    )
    assert wrong == []
    assert HISTORIES / 10 < sounds < HISTORIES * 9 / 10, "both verdicts must be put to the test"


@pytest.mark.timeout(900)
def test_the_list_checker_agrees_with_brute_force() -> None:
    dice = random.Random(2)  # noqa: S311 - luck that repeats
    histories = HISTORIES // 4
    wrong, sounds = disagreements(
        (list_history(dice) for _ in range(histories)),
        lambda history: check_appends(history).violations == 0,
        lambda history: explains(history, (), appended),
    )
    assert wrong == []
    assert histories / 10 < sounds < histories * 9 / 10, "both verdicts must be put to the test"


def naive_age_s(history: list[Operation], read: Operation) -> float:
    """How long before the read was sent its value was surely overwritten, by trying every other value."""
    writes = {one.value: one for one in history if one.kind == "write" and one.fate != "failed"}
    answered = [one for one in history if one.kind == "read" and one.fate == "ok"]

    def there_s(value: Value) -> float:
        ends = [writes[value].done_s] if value in writes else [-math.inf]
        return min(ends + [one.returned_s for one in answered if one.value == value])

    rivals = [value for value, one in writes.items() if one.invoked_s > there_s(read.value)]
    return read.invoked_s - min((there_s(value) for value in rivals), default=math.inf)


def test_staleness_agrees_with_its_definition() -> None:
    dice = random.Random(3)  # noqa: S311 - luck that repeats
    stale = 0
    for _ in range(20_000):
        history = register_history(dice)
        known = {None} | {one.value for one in history if one.kind == "write" and one.fate != "failed"}
        ages_s = [naive_age_s(history, one) for one in history if one.kind == "read" and one.value in known]
        found = check_staleness(history, bound_s=1.0)
        assert found.stale == sum(age_s > 1.0 for age_s in ages_s)
        assert found.oldest_s == max([0.0, *ages_s])
        stale += found.stale
    assert stale > 1000
