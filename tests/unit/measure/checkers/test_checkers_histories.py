"""The checkers of histories, case by case, and the mutants that the cases must be able to tell from them."""

import inspect
import math
from collections.abc import Callable
from types import ModuleType

import pytest
from msgspec import Struct

from bascule.kernel.errors import InputError
from bascule.measure.checkers import (
    AppendFindings,
    ElementFindings,
    Operation,
    QueueFindings,
    RegisterFindings,
    StaleFindings,
    appends,
    check_appends,
    check_elements,
    check_queue,
    check_register,
    check_staleness,
    elements,
    queues,
    registers,
    staleness,
)
from bascule.measure.checkers.operations import Fate, Kind, Value


def does(kind: Kind, value: Value, invoked_s: float, returned_s: float, fate: Fate = "ok") -> Operation:
    return Operation(kind, "x", value, invoked_s, returned_s, fate)


def w(value: int, invoked_s: float, returned_s: float, fate: Fate = "ok") -> Operation:
    return does("write", value, invoked_s, returned_s, fate)


def r(value: int | None, invoked_s: float, returned_s: float) -> Operation:
    return does("read", value, invoked_s, returned_s)


Case = tuple[str, list[Operation], Struct]

REGISTER_CASES: list[Case] = [
    ("nothing", [], RegisterFindings()),
    ("one after the other", [w(1, 0, 1), r(1, 2, 3), w(2, 4, 5), r(2, 6, 7)], RegisterFindings()),
    ("the initial value", [r(None, 0, 1), w(1, 2, 3)], RegisterFindings()),
    ("the initial value, too late", [w(1, 0, 1), r(None, 2, 3)], RegisterFindings(torn=1)),
    ("overwritten", [w(1, 0, 1), w(2, 2, 3), r(1, 4, 5)], RegisterFindings(torn=1)),
    ("at once, one read of each", [w(1, 0, 9), w(2, 0, 9), r(1, 1, 2), r(2, 3, 4)], RegisterFindings()),
    ("there and back", [w(1, 0, 9), w(2, 0, 9), r(1, 1, 2), r(2, 3, 4), r(1, 5, 6)], RegisterFindings(torn=1)),
    ("two that cross", [w(1, 0, 1), w(2, 0, 1), r(1, 2, 3), r(2, 2, 3)], RegisterFindings(torn=1)),
    ("nobody wrote it", [r(7, 0, 1)], RegisterFindings(phantom=1)),
    ("refused, and read", [w(1, 0, 1, "failed"), r(1, 2, 3)], RegisterFindings(phantom=1)),
    ("read before it was written", [r(1, 0, 1), w(1, 2, 3)], RegisterFindings(early=1)),
    ("unknown, and read", [w(1, 0, 1, "unknown"), r(1, 8, 9)], RegisterFindings()),
    ("unknown, much later", [w(1, 0, 1, "unknown"), w(2, 2, 3), r(2, 4, 5), r(1, 6, 7)], RegisterFindings()),
    ("unknown, and gone", [w(1, 0, 1, "unknown"), r(None, 8, 9)], RegisterFindings()),
    (
        "unknown, seen before it was overwritten",
        [w(1, 0, 1, "unknown"), r(1, 2, 3), w(2, 4, 5), r(1, 6, 7)],
        RegisterFindings(torn=1),
    ),
    ("touching is at once", [w(1, 0, 1), w(2, 1, 2), r(1, 2, 3)], RegisterFindings()),
    (
        "two inside a third",
        [w(1, 0, 1), r(1, 10, 11), w(2, 1.5, 2), r(2, 3, 3.5), w(3, 3.6, 4), r(3, 5, 6)],
        RegisterFindings(torn=2),
    ),
    ("a backward zone at the edge", [w(1, 0, 5), w(2, 4, 6), r(1, 9, 10)], RegisterFindings()),
    ("a backward zone inside", [w(1, 0, 1), w(2, 2, 3), r(1, 9, 10)], RegisterFindings(torn=1)),
]
STALE_CASES: list[Case] = [
    ("fresh", [w(1, 0, 1), r(1, 2, 3)], StaleFindings(reads=1)),
    ("old", [w(1, 0, 1), w(2, 2, 3), r(1, 5, 6)], StaleFindings(reads=1, stale=1, oldest_s=2)),
    ("within the bound", [w(1, 0, 1), w(2, 2, 3), r(1, 4, 5)], StaleFindings(reads=1, oldest_s=1)),
    ("the initial value", [w(2, 2, 3), r(None, 5, 6)], StaleFindings(reads=1, stale=1, oldest_s=2)),
    ("the first that overwrote counts", [w(1, 0, 1), w(2, 2, 3), w(3, 4, 5), r(1, 9, 10)],
     StaleFindings(reads=1, stale=1, oldest_s=6)),
    ("a slow one, and a fast one after it", [w(1, 0, 1), w(2, 2, 20), w(3, 3, 4), r(1, 6, 7)],
     StaleFindings(reads=1, stale=1, oldest_s=2)),
    ("written at once", [w(1, 0, 3), w(2, 2, 3), r(1, 9, 10)], StaleFindings(reads=1)),
    ("not surely overwritten", [w(1, 0, 1), w(2, 2, 3, "unknown"), r(1, 9, 10)], StaleFindings(reads=1)),
    ("others saw it overwritten", [w(1, 0, 1), w(2, 2, 3, "unknown"), r(2, 4, 5), r(1, 9, 10)],
     StaleFindings(reads=2, stale=1, oldest_s=4)),
]  # fmt: skip


def a(value: int, invoked_s: float, returned_s: float, fate: Fate = "ok") -> Operation:
    return does("append", value, invoked_s, returned_s, fate)


def ls(values: tuple[int, ...], invoked_s: float, returned_s: float) -> Operation:
    return does("list", values, invoked_s, returned_s)


LIST_CASES: list[Case] = [
    ("nobody read", [a(1, 0, 1)], AppendFindings(unread=1)),
    ("sound", [a(1, 0, 1), a(2, 2, 3), ls((1, 2), 4, 5)], AppendFindings()),
    ("at once, either order", [a(1, 0, 3), a(2, 0, 3), ls((2, 1), 4, 5)], AppendFindings()),
    ("lost", [a(1, 0, 1), a(2, 2, 3), ls((2,), 4, 5)], AppendFindings(lost=frozenset({1}))),
    ("lost, as a later one shows", [a(1, 5, 10), a(2, 20, 21), ls((2,), 0, 100)], AppendFindings(lost=frozenset({1}))),
    ("unknown, and not there", [a(1, 0, 1, "unknown"), ls((), 4, 5)], AppendFindings()),
    ("doubled", [a(1, 0, 1), ls((1, 1), 2, 3)], AppendFindings(duplicated=frozenset({1}))),
    ("nobody appended it", [ls((7,), 2, 3)], AppendFindings(phantom=frozenset({7}))),
    ("refused, and there", [a(1, 0, 1, "failed"), ls((1,), 2, 3)], AppendFindings(phantom=frozenset({1}))),
    ("two orders", [a(1, 0, 9), a(2, 0, 9), ls((1, 2), 10, 11), ls((2,), 0, 9)], AppendFindings(forked=1)),
    ("behind a later one", [a(1, 0, 1), a(2, 2, 3), ls((2, 1), 4, 5)], AppendFindings(misordered=frozenset({1}))),
    ("read before it was sent", [ls((1,), 0, 1), a(1, 2, 3)], AppendFindings(early=frozenset({1}))),
    ("behind the times", [a(1, 0, 1), ls((), 2, 3), ls((1,), 4, 5)], AppendFindings(stale=1)),
    ("behind another reader", [a(1, 0, 1, "unknown"), ls((1,), 2, 3), ls((), 4, 5)], AppendFindings(stale=1)),
]


def add(value: int, invoked_s: float, returned_s: float, fate: Fate = "ok") -> Operation:
    return does("add", value, invoked_s, returned_s, fate)


def m(values: tuple[int, ...], invoked_s: float, returned_s: float) -> Operation:
    return does("members", values, invoked_s, returned_s)


SET_CASES: list[Case] = [
    ("sound", [add(1, 0, 1), m((1,), 2, 3)], ElementFindings()),
    ("nobody read", [add(1, 0, 1)], ElementFindings(unread=1)),
    ("lost", [add(1, 0, 1), add(2, 0, 1), m((2,), 2, 3)], ElementFindings(lost=frozenset({1}))),
    ("there, then lost", [add(1, 0, 1), m((1,), 2, 3), m((), 4, 5)], ElementFindings(lost=frozenset({1}))),
    ("late to be seen", [add(1, 0, 1), m((), 2, 3), m((1,), 4, 5)], ElementFindings(stale=frozenset({1}))),
    ("at once", [add(1, 0, 3), m((), 1, 2), m((1,), 4, 5)], ElementFindings()),
    ("touching is at once", [add(1, 0, 1), m((), 1, 2), m((1,), 4, 5)], ElementFindings()),
    ("doubled", [add(1, 0, 1), m((1, 1), 2, 3)], ElementFindings(duplicated=frozenset({1}))),
    ("nobody added it", [m((7,), 2, 3)], ElementFindings(phantom=frozenset({7}))),
    ("refused, and there", [add(1, 0, 1, "failed"), m((1,), 2, 3)], ElementFindings(phantom=frozenset({1}))),
    ("unknown, and there", [add(1, 0, 1, "unknown"), m((1,), 2, 3)], ElementFindings(recovered_unknown=1)),
    ("unknown, and not there", [add(1, 0, 1, "unknown"), m((), 2, 3)], ElementFindings()),
    ("read before it was sent", [m((1,), 0, 1), add(1, 2, 3), m((1,), 4, 5)], ElementFindings(early=frozenset({1}))),
]


def put(value: int, invoked_s: float, returned_s: float, fate: Fate = "ok") -> Operation:
    return does("enqueue", value, invoked_s, returned_s, fate)


def took(value: int, at_s: float) -> Operation:
    return does("dequeue", value, at_s, at_s)


def effect(value: int, at_s: float) -> Operation:
    return does("effect", value, at_s, at_s)


EMPTY = does("drained", None, 8, 9)
QUEUE_CASES: list[Case] = [
    ("sound", [put(1, 0, 1), took(1, 2), EMPTY], QueueFindings()),
    ("lost", [put(1, 0, 1), EMPTY], QueueFindings(lost=frozenset({1}))),
    ("nobody looked", [put(1, 0, 1)], QueueFindings(pending=1)),
    ("after the last look", [EMPTY, put(1, 8.5, 9)], QueueFindings(pending=1)),
    ("unknown, and not there", [put(1, 0, 1, "unknown"), EMPTY], QueueFindings()),
    ("unknown, and there", [put(1, 0, 1, "unknown"), took(1, 2), EMPTY], QueueFindings(recovered_unknown=1)),
    ("delivered twice", [put(1, 0, 1), took(1, 2), took(1, 3), EMPTY], QueueFindings(duplicated=frozenset({1}))),
    (
        "delivered twice, done once",
        [put(1, 0, 1), took(1, 2), took(1, 3), effect(1, 3), EMPTY],
        QueueFindings(redelivered=1),
    ),
    ("done twice", [put(1, 0, 1), took(1, 2), effect(1, 3), effect(1, 4)], QueueFindings(duplicated=frozenset({1}))),
    (
        "delivered, and without effect",
        [put(1, 0, 1), put(2, 0, 1), took(1, 2), took(2, 2), effect(2, 3), EMPTY],
        QueueFindings(lost=frozenset({1})),
    ),
    ("nobody enqueued it", [took(7, 2)], QueueFindings(phantom=frozenset({7}))),
    ("refused, and there", [put(1, 0, 1, "failed"), took(1, 2)], QueueFindings(phantom=frozenset({1}))),
    ("done before it was enqueued", [took(1, 0), put(1, 1, 2)], QueueFindings(early=frozenset({1}))),
]

Checker = Callable[[list[Operation]], Struct]


def stale(operations: list[Operation]) -> StaleFindings:
    return check_staleness(operations, bound_s=1.0)


SUITES: dict[str, tuple[Checker, list[Case]]] = {
    "register": (check_register, REGISTER_CASES),
    "staleness": (stale, STALE_CASES),
    "list": (check_appends, LIST_CASES),
    "set": (check_elements, SET_CASES),
    "queue": (check_queue, QUEUE_CASES),
}


def without_examples(found: Struct) -> dict[str, object]:
    return {name: getattr(found, name) for name in found.__struct_fields__ if name != "examples"}


@pytest.mark.parametrize(
    ("checker", "operations", "expected"),
    [(checker, case[1], case[2]) for checker, cases in SUITES.values() for case in cases],
    ids=[f"{name}: {case[0]}" for name, (_, cases) in SUITES.items() for case in cases],
)
@pytest.mark.parametrize("turned", [False, True], ids=["in order", "turned round"])
def test_what_is_found(checker: Checker, operations: list[Operation], expected: Struct, *, turned: bool) -> None:
    found = checker(operations[::-1] if turned else operations)
    assert without_examples(found) == without_examples(expected)


MUTANTS: list[tuple[str, ModuleType, str, str]] = [
    ("register", registers, "zone.ended_s < last.begun_s", "zone.ended_s <= last.begun_s - 2"),
    ("register", registers, "zone.ended_s < last.begun_s", "False"),
    ("register", registers, "zone.begun_s > last.begun_s", "True"),
    ("register", registers, "if place and", "if False and"),
    ("register", registers, "bisect_left(ends_s, zone.begun_s)", "bisect_left(ends_s, zone.ended_s)"),
    ("register", registers, "early=len(clusters.early)", "early=0"),
    ("register", registers, "phantom=len(clusters.phantom)", "phantom=0"),
    ("staleness", staleness, "age_s > bound_s", "age_s >= bound_s"),
    ("staleness", staleness, "read.invoked_s - ", "read.returned_s - "),
    ("staleness", staleness, "self._sent_s, cluster.ended_s", "self._sent_s, cluster.written_s"),
    ("staleness", staleness, "min(self._first_s[place + 1], written[place].ended_s)", "written[place].ended_s"),
    ("list", appends, "source.done_s < newest_s", "source.done_s < source.invoked_s"),
    ("list", appends, "acknowledged[element] < latest_s", "False"),
    ("list", appends, " + [appends[each].invoked_s for each in places if each in appends]", ""),
    ("list", appends, "source.invoked_s > read.returned_s", "False"),
    ("list", appends, "known += [(read.returned_s", "_ = [(read.returned_s"),
    ("list", appends, "reach[before - 1] >= len", "reach[before - 1] > len"),
    ("list", appends, "forked=sum(", "forked=0 * sum("),
    ("list", appends, 'or appends[each].fate == "failed"', ""),
    ("set", elements, "< read.invoked_s", "<= read.invoked_s"),
    ("set", elements, "lost=frozenset(lost)", "lost=frozenset()"),
    ("set", elements, "missing |= expected - present", "missing |= set()"),
    ("set", elements, "lost = expected - present", "lost = missing"),
    ("set", elements, 'one.fate != "failed"}', "one}"),
    ("set", elements, ".invoked_s > read.returned_s", ".invoked_s > math.inf"),
    ("set", elements, "duplicated |= _repeated(listed)", "pass"),
    ("queue", queues, "judged = effects or deliveries", "judged = deliveries"),
    ("queue", queues, "judged = effects or deliveries", "judged = deliveries + effects"),
    ("queue", queues, "enqueued[message].returned_s < empty_s", "True"),
    ("queue", queues, "if count > 1),\n        phantom", "if count > 2),\n        phantom"),
    ("queue", queues, 'if one.fate != "failed"}', "if one}"),
    ("queue", queues, "done_s < enqueued[m].invoked_s", "False"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("suite", "module", "right", "wrong"), MUTANTS, ids=[f"{name}: {wrong}" for name, _, _, wrong in MUTANTS]
)
def test_the_cases_catch_every_mutant(suite: str, module: ModuleType, right: str, wrong: str) -> None:
    source = inspect.getsource(module)
    assert source.count(right) == 1, f"the mutant must change {module.__name__}"
    names: dict[str, object] = {"__name__": module.__name__, "math": math}
    exec(compile(source.replace(right, wrong), f"<{module.__name__}, broken>", "exec"), names)  # noqa: S102 - our own
    original, cases = SUITES[suite]
    name = "check_staleness" if suite == "staleness" else original.__name__
    broken = names[name]
    assert callable(broken)
    arguments = {"bound_s": 1.0} if suite == "staleness" else {}
    caught = [case[0] for case in cases if without_examples(broken(case[1], **arguments)) != without_examples(case[2])]
    assert caught


def test_a_value_that_is_written_twice_is_refused() -> None:
    with pytest.raises(InputError, match="1 was written more than once"):
        check_register([w(1, 0, 1), w(1, 2, 3)])


def test_a_finding_is_told_in_words() -> None:
    found = check_register([w(1, 0, 1), w(2, 2, 3), r(1, 4, 5)])
    there = "value 1 stood there from 1.000 s at the latest to 4.000 s at least"
    assert found.examples == (f"{there}, and value 2 came and went between 2.000 and 3.000 s",)
    assert check_register([r(7, 0, 1)]).examples == ("read 7 (0.000 to 1.000 s): nobody wrote that",)
