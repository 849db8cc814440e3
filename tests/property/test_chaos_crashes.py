"""Whatever a drill was doing when it died, recovery brings the platform back to how it was."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.chaos.fake_platform import FakeHost, FakePlatform
from bascule.chaos.faults import (
    AnyFault,
    CrashLoop,
    DescriptorExhaustion,
    Fault,
    MainProcessKill,
    NetworkCut,
    NetworkDelay,
    Partition,
    PowerLoss,
    ProcessFreeze,
    ProcessKill,
    ProcessSlow,
)
from bascule.chaos.injection import Injection, Struck
from bascule.chaos.journal import Entry, Journal, PlatformRef
from bascule.chaos.recovery import recover
from bascule.kernel.clock import FakeClock
from bascule.kernel.errors import BasculeError

ACTING = frozenset(
    {"kill", "freeze", "thaw", "start", "crash_loop", "end_crash_loop", "slow", "hasten", "limit_descriptors"}
    | {"free_descriptors", "add_trouble", "remove_trouble", "power_off", "power_on", "partition", "heal"}
    | {"add_disk_trouble", "remove_disk_trouble", "lose_writes"}
)
MEMBERS = ("db-1", "db-2")
HOSTS = (*MEMBERS, "probe", "client")
MOST_DEATHS = 60


class Death(BaseException):
    """The drill is killed here."""


class Fate:
    """Counts the moments at which a process can die, and kills it at one of them."""

    def __init__(self, at: int) -> None:
        self.left = at

    def moment(self) -> None:
        if self.left == 0:
            raise Death
        self.left -= 1


class MortalPlatform:
    """A platform whose caller may die before or after each act."""

    def __init__(self, platform: FakePlatform, fate: Fate) -> None:
        self._platform = platform
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._platform, name)
        if name not in ACTING:
            return call

        def mortal(*given: object, **named: object) -> object:
            self._fate.moment()
            done = call(*given, **named)
            self._fate.moment()
            return done

        return mortal


class MortalJournal(Journal):
    """A journal whose writer may die before, in the middle of, and after a line."""

    def __init__(self, path: Path, fate: Fate) -> None:
        super().__init__(path)
        self._fate = fate

    def write(self, entry: Entry) -> None:
        self._fate.moment()
        try:
            self._fate.moment()
        except Death:
            line = msgspec.json.encode(entry)
            with self.path.open("ab") as stream:
                stream.write(line[: len(line) // 2])
            raise
        super().write(entry)
        self._fate.moment()


def hosts() -> tuple[FakeHost, ...]:
    return (
        FakeHost(name="db-1", zone="a", region="north", commands=("keeper", "postgres")),
        FakeHost(name="db-2", zone="b", region="south", commands=("keeper", "postgres")),
        FakeHost(name="probe", zone="a", region="north"),
        FakeHost(name="client", zone="c", region="outside"),
    )


member = st.sampled_from(MEMBERS)
some_hosts = st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True).map(tuple)
faults: st.SearchStrategy[AnyFault] = st.one_of(
    member.map(lambda name: ProcessKill(member=name)),
    st.builds(MainProcessKill, member=member, command=st.sampled_from(["keeper", "postgres"])),
    member.map(lambda name: CrashLoop(member=name)),
    member.map(lambda name: ProcessFreeze(member=name)),
    member.map(lambda name: ProcessSlow(member=name)),
    member.map(lambda name: DescriptorExhaustion(member=name)),
    some_hosts.map(lambda names: PowerLoss(hosts=names)),
    some_hosts.map(lambda names: Partition(hosts=names)),
    some_hosts.map(lambda names: NetworkDelay(hosts=names, delay_s=0.1)),
    st.builds(NetworkCut, hosts=some_hosts, peers=some_hosts, direction=st.sampled_from(["in", "out", "both"])),
)
# What a drill does, in order: each fault is struck; those whose flag is set are undone right away, the rest at the end.
dramas = st.lists(st.tuples(faults, st.booleans()), min_size=1, max_size=4)
Drama = list[tuple[AnyFault, bool]]
Kind = Callable[..., Injection]


def play(drama: Drama, kind: Kind, platform: Any, journal: Journal) -> None:
    """The drill: a platform that fails at a fault ends that fault, not the drill."""
    clock = FakeClock()
    reference = PlatformRef(kind="fake", directory="/")
    left: list[Injection] = []
    for number, (fault, at_once) in enumerate(drama, 1):
        injection = kind(fault, platform, journal, reference=reference, number=number, clock=clock, sleep=clock.advance)
        left.append(injection)
        _try(injection.strike)
        if at_once:
            _try(injection.undo)
    for injection in reversed(left):
        _try(injection.undo)


def _try(act: Callable[[], object]) -> None:
    try:
        act()
    except BasculeError:
        return  # such as: the host has no power; whatever is left pending is for recovery


@contextlib.contextmanager
def journal_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "journal.jsonl"


def scars(drama: Drama, at: int, kind: Kind = Injection, *, rescuer_at: int = 0) -> tuple[list[str], bool]:
    """What is wrong after a drill that died at its moment `at` and was recovered; and whether it did die.

    The first who comes to recover it dies as well, at moment `rescuer_at`; the second lives.
    """
    with journal_path() as path:
        platform, fate = FakePlatform(hosts()), Fate(at)
        died = False
        try:
            play(drama, kind, MortalPlatform(platform, fate), MortalJournal(path, fate))
        except Death:
            died = True
        clock = FakeClock()
        fate = Fate(rescuer_at)
        mortal: Any = MortalPlatform(platform, fate)
        with contextlib.suppress(Death):
            recover(MortalJournal(path, fate), lambda _: mortal, clock=clock, sleep=clock.advance)
        found = [
            f"{one.fault}: {one.error}"
            for one in recover(Journal(path), lambda _: platform, clock=clock, sleep=clock.advance)
            if one.error
        ]
        found += [] if platform.whole() else ["the platform is not whole"]
        found += [f"pending: {one.fault}" for one in Journal(path).pending()]
        again = recover(Journal(path), lambda _: platform, clock=clock, sleep=clock.advance)
        found += [f"recovered again: {one.fault}" for one in again]
        return found, died


@settings(deadline=None, max_examples=int(os.environ.get("BASCULE_EXAMPLES", "150")))
@given(dramas, st.integers(0, MOST_DEATHS), st.integers(0, MOST_DEATHS))
def test_a_drill_that_dies_at_any_moment_is_undone_even_if_its_rescuer_dies_too(
    drama: Drama, at: int, rescuer_at: int
) -> None:
    assert scars(drama, at, rescuer_at=rescuer_at)[0] == []


DRAMAS: tuple[Drama, ...] = (
    [(ProcessKill(member="db-1"), False)],
    [(ProcessFreeze(member="db-1"), False)],
    [(PowerLoss(hosts=("db-1", "probe")), False)],
    [(Partition(hosts=("db-1",)), False)],
    [(ProcessKill(member="db-1"), False), (PowerLoss(hosts=("db-1",)), False)],
    [(ProcessKill(member="db-1"), True), (Partition(hosts=("db-1", "probe")), False)],
    [(CrashLoop(member="db-1"), False)],
    [(ProcessSlow(member="db-1"), False)],
    [(DescriptorExhaustion(member="db-1"), False)],
    [(NetworkDelay(hosts=("db-1", "db-2"), delay_s=0.1), False)],
    [(NetworkCut(hosts=("db-1", "db-2"), direction="in"), False), (PowerLoss(hosts=("db-1",)), False)],
    [(ProcessSlow(member="db-1"), False), (CrashLoop(member="db-1"), False)],
)


def every_death(drama: Drama, kind: Kind = Injection) -> list[str]:
    """What is wrong after any death of this drill, moment by moment until it lives to its end."""
    found: list[str] = []
    for at in itertools.count():
        wrong, died = scars(drama, at, kind)
        found += [f"dead at moment {at}: {one}" for one in wrong]
        if not died:
            return found
    return found


@pytest.mark.parametrize("drama", DRAMAS, ids=str)
def test_every_single_death_is_undone(drama: Drama) -> None:
    assert every_death(drama) == []
    assert scars(drama, 10)[1], "there are that many moments at least"


class ActsBeforeItWrites(Injection):
    """Mutant: the journal is written once the fault acts."""

    def strike(self) -> Struck:
        hit = self.fault.inject(self._platform)
        self._write("planned")
        self._write("active")
        return Struck(at_s=0.0, witness=self.fault.witness(self._platform, hit))


class ForgetsToWrite(Injection):
    """Mutant: nothing is journalled before the undo."""

    def strike(self) -> Struck:
        return Struck(at_s=0.0, witness=self.fault.witness(self._platform, self.fault.inject(self._platform)))


class SaysUndoneFirst(Injection):
    """Mutant: it is journalled as undone before it is."""

    def undo(self) -> None:
        self._write("undone")
        self.fault.undo(self._platform)


@pytest.mark.parametrize("mutant", [ActsBeforeItWrites, ForgetsToWrite, SaysUndoneFirst])
def test_mutant_orders_of_acting_and_writing_are_caught(mutant: Kind) -> None:
    assert any(every_death(drama, mutant) for drama in DRAMAS[:4])


@pytest.mark.parametrize(
    ("kind", "drama"), [(ProcessFreeze, DRAMAS[1]), (PowerLoss, DRAMAS[2]), (Partition, DRAMAS[3])]
)
def test_mutant_an_undo_that_works_only_once_is_caught(
    kind: type[Fault], drama: Drama, monkeypatch: pytest.MonkeyPatch
) -> None:
    def toggle(self: Fault, platform: FakePlatform) -> None:
        if self.undone(platform).seen:
            self.inject(platform)
        else:
            real(self, platform)

    real = kind.undo
    monkeypatch.setattr(kind, "undo", toggle)
    assert every_death(drama)
