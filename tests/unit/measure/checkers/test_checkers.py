"""The checkers, and the mutants that this suite must be able to tell from them."""

from collections.abc import Callable, Iterable, Mapping

import pytest

from bascule.measure.checkers import (
    EpochFindings,
    HolderFindings,
    Holding,
    SetFindings,
    check_epochs,
    check_holders,
    check_set,
)
from bascule.measure.records import Outcome, Record

T0 = 10.0


def write(number: int, done_s: float, outcome: Outcome = "good", epoch: int = 1, server: str = "a") -> Record:
    return Record(number, "put", done_s - 0.2, done_s - 0.1, done_s, outcome, writes=True, epoch=epoch, server=server)


def read(number: int, done_s: float, epoch: int = 1, server: str = "a") -> Record:
    return Record(number, "get", done_s - 0.2, done_s - 0.1, done_s, "good", epoch=epoch, server=server)


SetChecker = Callable[[Iterable[Record], Mapping[int, int], float | None], SetFindings]
SetCase = tuple[str, list[Record], dict[int, int], SetFindings]


def found(
    *,
    lost: Iterable[int] = (),
    after: Iterable[int] = (),
    duplicated: Iterable[int] = (),
    phantom: Iterable[int] = (),
    recovered: Iterable[int] = (),
    rpo_time_s: float = 0.0,
) -> SetFindings:
    return SetFindings(
        lost=frozenset(lost),
        lost_after_fault=frozenset(after),
        duplicated=frozenset(duplicated),
        phantom=frozenset(phantom),
        recovered_unknown=frozenset(recovered),
        rpo_time_s=rpo_time_s,
    )


SET_CASES: list[SetCase] = [
    ("sound", [write(1, 1.0), write(2, 2.0)], {1: 1, 2: 1}, found()),
    ("lost", [write(1, 7.0), write(2, 8.0), write(3, 9.0)], {1: 1}, found(lost={2, 3}, rpo_time_s=2.0)),
    ("late is acknowledged", [write(1, 7.0, "late")], {}, found(lost={1}, rpo_time_s=3.0)),
    ("lost after the fault", [write(1, 12.0)], {}, found(lost={1}, after={1})),
    ("lost before and after", [write(1, 9.5), write(2, 12.0)], {}, found(lost={1, 2}, after={2}, rpo_time_s=0.5)),
    ("duplicated", [write(1, 1.0)], {1: 2}, found(duplicated={1})),
    ("phantom", [write(1, 1.0)], {1: 1, 7: 1}, found(phantom={7})),
    ("unknown but there", [write(1, 1.0, "unknown")], {1: 1}, found(recovered={1})),
    ("refused but there is no phantom", [write(1, 1.0, "failed")], {1: 1}, found(recovered={1})),
    ("unknown and not there", [write(1, 1.0, "unknown"), write(2, 2.0, "failed")], {}, found()),
    ("a read promises nothing", [read(1, 1.0)], {}, found()),
    ("a read makes no number its own", [read(1, 1.0)], {1: 1}, found(phantom={1})),
    ("no copies is not there", [write(1, 7.0)], {1: 0}, found(lost={1}, rpo_time_s=3.0)),
    ("duplicated phantom", [], {5: 3}, found(duplicated={5}, phantom={5})),
]


@pytest.mark.parametrize(
    ("records", "present", "expected"), [case[1:] for case in SET_CASES], ids=[c[0] for c in SET_CASES]
)
def test_the_set_checker(records: list[Record], present: dict[int, int], expected: SetFindings) -> None:
    assert check_set(records, present, T0) == expected


def test_without_a_fault_a_lost_write_is_lost_all_the_same() -> None:
    assert check_set([write(1, 7.0)], {}, None) == found(lost={1})


def _reshaped(checker: SetChecker, **changes: Callable[[SetFindings], object]) -> SetChecker:
    def mutant(records: Iterable[Record], present: Mapping[int, int], t0_s: float | None) -> SetFindings:
        sound = checker(list(records), present, t0_s)
        fields = {name: getattr(sound, name) for name in SetFindings.__struct_fields__}
        return SetFindings(**{**fields, **{name: change(sound) for name, change in changes.items()}})

    return mutant


def _only_good(records: Iterable[Record], present: Mapping[int, int], t0_s: float | None) -> SetFindings:
    return check_set([record for record in records if record.outcome != "late"], present, t0_s)


def _reads_too(records: Iterable[Record], present: Mapping[int, int], t0_s: float | None) -> SetFindings:
    taken = [write(r.number, r.done_s, r.outcome, r.epoch, r.server) for r in records]
    return check_set(taken, present, t0_s)


def _unknown_as_acknowledged(records: Iterable[Record], present: Mapping[int, int], t0_s: float | None) -> SetFindings:
    return check_set([write(r.number, r.done_s, "good") if r.writes else r for r in records], present, t0_s)


def _refused_forgotten(records: Iterable[Record], present: Mapping[int, int], t0_s: float | None) -> SetFindings:
    return check_set([r for r in records if r.outcome != "failed"], present, t0_s)


def _copies_not_counted(records: Iterable[Record], present: Mapping[int, int], t0_s: float | None) -> SetFindings:
    return check_set(records, dict.fromkeys(present, 1), t0_s)


def _no_clock(records: Iterable[Record], present: Mapping[int, int], _t0_s: float | None) -> SetFindings:
    return check_set(records, present, None)


SET_MUTANTS: dict[str, SetChecker] = {
    "sees nothing": lambda _records, _present, _t0_s: found(),
    "late is not acknowledged": _only_good,
    "reads count as writes": _reads_too,
    "unknown counts as acknowledged": _unknown_as_acknowledged,
    "refused writes are forgotten": _refused_forgotten,
    "copies are not counted": _copies_not_counted,
    "the fault's time is forgotten": _no_clock,
    "newest lost write dates the RPO": _reshaped(
        check_set, rpo_time_s=lambda f: 0.0 if not f.lost - f.lost_after_fault else 1.0
    ),
    "lost after the fault is left out of the lost": _reshaped(check_set, lost=lambda f: f.lost - f.lost_after_fault),
    "recovered counts as phantom": _reshaped(check_set, phantom=lambda f: f.phantom | f.recovered_unknown),
}


@pytest.mark.parametrize("mutant", SET_MUTANTS.values(), ids=SET_MUTANTS.keys())
def test_the_cases_catch_every_mutant_of_the_set_checker(mutant: SetChecker) -> None:
    assert any(mutant(records, present, T0) != expected for _, records, present, expected in SET_CASES)


EpochChecker = Callable[[Iterable[Record]], EpochFindings]
EpochCase = tuple[str, list[Record], int, int]

EPOCH_CASES: list[EpochCase] = [
    ("one primary", [write(1, 1.0), write(2, 2.0)], 0, 0),
    ("a clean failover", [write(1, 1.0, epoch=1), write(2, 2.0, epoch=2, server="b")], 0, 0),
    ("the old one goes on", [write(1, 1.0), write(2, 2.0, epoch=2, server="b"), write(3, 3.0, epoch=1)], 1, 0),
    ("overlapping is no proof", [write(2, 2.0, epoch=2, server="b"), write(3, 2.05, epoch=1)], 0, 0),
    ("sent as the other returned", [write(2, 2.0, epoch=2, server="b"), write(3, 2.1, epoch=1)], 0, 0),
    ("two servers, one epoch", [write(1, 1.0, server="a"), write(2, 2.0, server="b"), write(3, 3.0)], 0, 1),
    ("both", [write(1, 1.0, epoch=2), write(2, 2.0, epoch=1), write(3, 3.0, epoch=2, server="c")], 1, 1),
    ("not told", [write(1, 1.0, epoch=2, server=""), write(2, 2.0, epoch=0), write(3, 3.0, epoch=2, server="b")], 0, 0),
    ("undecided accuses nobody", [write(1, 1.0, epoch=2), write(2, 2.0, "unknown", epoch=1)], 0, 0),
    ("late is acknowledged too", [write(1, 1.0, epoch=2), write(2, 2.0, "late", epoch=1)], 1, 0),
    ("a stale read is no split brain", [write(1, 1.0, epoch=2), read(2, 2.0, epoch=1, server="b")], 0, 0),
    ("due before, sent after", [write(2, 2.0, epoch=2), write(3, 2.15, epoch=1)], 1, 0),
    ("far back", [write(n, float(n), epoch=3 if n == 2 else 2) for n in range(1, 6)], 3, 0),
]


@pytest.mark.parametrize(
    ("records", "stale", "contested"), [c[1:] for c in EPOCH_CASES], ids=[c[0] for c in EPOCH_CASES]
)
def test_the_epoch_checker(records: list[Record], stale: int, contested: int) -> None:
    for order in (records, records[::-1]):
        findings = check_epochs(order)
        assert (findings.stale, findings.contested) == (stale, contested)
        assert findings.violations == stale + contested
        assert bool(findings.examples) == bool(stale or contested)


def test_an_example_names_the_write_and_both_epochs() -> None:
    (example,) = check_epochs(EPOCH_CASES[2][1]).examples
    assert "write 3" in example
    assert "epoch 1" in example
    assert "epoch 2" in example


def _epoch_mutant(
    *, told: Callable[[Record], bool], before: Callable[[Record, Record], bool], identities: bool = True
) -> EpochChecker:
    def mutant(records: Iterable[Record]) -> EpochFindings:
        acks = [record for record in records if told(record)]
        stale = sum(any(before(other, r) and other.epoch > r.epoch for other in acks) for r in acks)
        holder: dict[int, str] = {}
        contested = 0
        for r in sorted(acks, key=lambda record: record.done_s):
            if r.server and identities:
                contested += holder.setdefault(r.epoch, r.server) != r.server
        return EpochFindings(stale=stale, contested=contested)

    return mutant


def _is_told(record: Record) -> bool:
    return record.writes and record.acknowledged and record.epoch > 0


def _returned_before_sent(other: Record, record: Record) -> bool:
    return other.done_s < record.sent_s


EPOCH_MUTANTS: dict[str, EpochChecker] = {
    "sees nothing": lambda _records: EpochFindings(),
    "compares the returns": _epoch_mutant(told=_is_told, before=lambda o, r: o.done_s < r.done_s),
    "compares the invocations": _epoch_mutant(told=_is_told, before=lambda o, r: o.sent_s < r.sent_s),
    "compares from the due time": _epoch_mutant(told=_is_told, before=lambda o, r: o.done_s < r.due_s),
    "believes in reads": _epoch_mutant(told=lambda r: r.acknowledged and r.epoch > 0, before=_returned_before_sent),
    "believes in undecided": _epoch_mutant(told=lambda r: r.writes and r.epoch > 0, before=_returned_before_sent),
    "only in time": _epoch_mutant(told=lambda r: _is_told(r) and r.outcome == "good", before=_returned_before_sent),
    "epoch 0 is an epoch": _epoch_mutant(told=lambda r: r.writes and r.acknowledged, before=_returned_before_sent),
    "identities do not matter": _epoch_mutant(told=_is_told, before=_returned_before_sent, identities=False),
    "looks back one write only": _epoch_mutant(
        told=_is_told, before=lambda o, r: o.done_s < r.sent_s and r.number - o.number == 1
    ),
}


def _told_apart(checker: EpochChecker) -> bool:
    return any(
        (f.stale, f.contested) != (stale, contested)
        for _, records, stale, contested in EPOCH_CASES
        for f in [checker(records)]
    )


def test_the_naive_form_of_the_rule_agrees_with_every_case() -> None:
    assert not _told_apart(_epoch_mutant(told=_is_told, before=_returned_before_sent))


@pytest.mark.parametrize("mutant", EPOCH_MUTANTS.values(), ids=EPOCH_MUTANTS.keys())
def test_the_cases_catch_every_mutant_of_the_epoch_checker(mutant: EpochChecker) -> None:
    assert _told_apart(mutant)


HolderChecker = Callable[[Iterable[Holding]], HolderFindings]


def look(at_s: float, *hosts: str) -> Holding:
    return Holding(at_s=at_s, hosts=hosts)


def together(together_s: float, looks: int, first_s: float, *hosts: str) -> HolderFindings:
    return HolderFindings(together_s=together_s, looks=looks, first_s=first_s, hosts=hosts)


HOLDER_CASES: list[tuple[str, list[Holding], HolderFindings]] = [
    ("nobody looked", [], HolderFindings()),
    ("nobody had it", [look(1.0), look(2.0)], HolderFindings()),
    ("it moved", [look(1.0, "a"), look(2.0), look(3.0, "b")], HolderFindings()),
    ("it moved at once", [look(1.0, "a"), look(2.0, "b"), look(3.0, "a")], HolderFindings()),
    ("one look saw two", [look(1.0, "a"), look(2.0, "a", "b"), look(2.5, "b")], together(0.5, 1, 2.0, "a", "b")),
    ("the last look saw two", [look(1.0, "a"), look(2.0, "a", "b")], together(0.0, 1, 2.0, "a", "b")),
    (
        "twice, in any order",
        [look(4.0, "c", "b"), look(1.0, "a", "b"), look(2.0, "b"), look(5.0, "c")],
        together(2.0, 2, 1.0, "a", "b", "c"),
    ),
]


@pytest.mark.parametrize(("looks", "expected"), [c[1:] for c in HOLDER_CASES], ids=[c[0] for c in HOLDER_CASES])
def test_two_holders_at_once_are_found(looks: list[Holding], expected: HolderFindings) -> None:
    assert check_holders(looks) == expected


def _over_all_looks(looks: Iterable[Holding]) -> HolderFindings:
    """Counts everybody who ever had it as if they had had it together."""
    hosts = {host for one in looks for host in one.hosts}
    return check_holders([look(one.at_s, *sorted(hosts)) for one in looks])


HOLDER_MUTANTS: dict[str, HolderChecker] = {
    "sees nothing": lambda _: HolderFindings(),
    "a move is a split": _over_all_looks,
    "the order of the looks counts": lambda looks: check_holders(
        [look(float(place), *one.hosts) for place, one in enumerate(looks)]
    ),
    "a single look is chance": lambda looks: sound if (sound := check_holders(looks)).looks > 1 else HolderFindings(),
    "the last look does not count": lambda looks: check_holders(sorted(looks, key=lambda one: one.at_s)[:-1]),
}


@pytest.mark.parametrize("mutant", HOLDER_MUTANTS.values(), ids=HOLDER_MUTANTS.keys())
def test_the_cases_catch_every_mutant_of_the_holder_checker(mutant: HolderChecker) -> None:
    assert any(mutant(looks) != expected for _, looks, expected in HOLDER_CASES)
