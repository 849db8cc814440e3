"""Nobody writes after a newer term has written: real databases, writers that pause, and guards that are broken."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.real.cluster.daemons import wait_until
from tests.real.cluster.fenced_writers import (
    Guard,
    InPostgresql,
    InSqlite,
    Place,
    Write,
    fenced,
    looked_at,
    overtaken,
    unguarded,
    write,
)
from tests.real.cluster.postgresql_server import PostgresqlServer, running

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    with running(tmp_path_factory.mktemp("postgresql")) as one:
        yield one


@pytest.fixture(params=["postgresql", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return InSqlite(tmp_path)
    server: PostgresqlServer = request.getfixturevalue("server")
    return InPostgresql(server.conninfo)


class Writer:
    """A thread that writes once, and may be held between its check and its write."""

    def __init__(self, place: Place, token: int, guard: Guard, *, paused: bool = False) -> None:
        self.has_checked = threading.Event()
        self.go_on = threading.Event()
        self.written: Write | None = None
        self._work: Callable[[], Write | None] = lambda: self._write(place, token, guard)
        if not paused:
            self.go_on.set()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> Write | None:
        self.go_on.set()
        self._thread.join(30)
        assert self.is_done
        return self.written

    def _run(self) -> None:
        self.written = self._work()

    def _write(self, place: Place, token: int, guard: Guard) -> Write | None:
        def pause() -> None:
            self.has_checked.set()
            self.go_on.wait(30)

        with place.connect() as connection:
            return write(connection, token, guard, pause)


def paused_leader(place: Place, guard: Guard) -> list[Write]:
    """The old leader is paused after its check; the new one writes, or waits; the old one resumes."""
    old = Writer(place, 1, guard, paused=True)
    wait_until(old.has_checked.is_set, "the old leader is in its block")
    new = Writer(place, 2, guard)
    wait_until(lambda: new.is_done or place.is_waiting(), "the new leader has written, or waits")
    return [one for one in (old.end(), new.end()) if one]


def crowd(place: Place, guard: Guard, seed: int) -> list[Write]:
    """Eight writers that believe in their own term for a while, whatever the others do."""
    latest, history, lock = [1], list[Write](), threading.Lock()

    def live(dice: random.Random) -> None:
        token = 1
        with place.connect() as connection:
            for _ in range(12):
                if dice.random() < 0.3:
                    with lock:
                        latest[0] += dice.random() < 0.5
                        token = latest[0]
                pause_s = dice.choice([0, 0, 0.001, 0.004])
                written = write(connection, token, guard, lambda: threading.Event().wait(pause_s))  # noqa: B023 - called at once
                if written:
                    with lock:
                        history.append(written)

    all_dice = [random.Random(seed * 100 + who) for who in range(8)]  # noqa: S311 - a schedule, no secret
    threads = [threading.Thread(target=live, args=(dice,)) for dice in all_dice]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return history


def test_a_leader_that_was_paused_after_its_check_keeps_its_successor_waiting(place: Place) -> None:
    history = paused_leader(place, fenced)
    assert not overtaken(history)
    assert history[0].token == 1, "it was in its right: nobody else had written"
    with place.connect() as connection:
        assert write(connection, 2, fenced)
        assert write(connection, 1, fenced) is None, "and now it is not"


@pytest.mark.parametrize("seed", range(3))
def test_no_term_writes_after_its_successor(place: Place, seed: int) -> None:
    history = crowd(place, fenced, seed)
    assert not overtaken(history)
    assert len({one.token for one in history}) > 1, "there were several terms"


@pytest.mark.parametrize("mutant", [unguarded, looked_at])
def test_a_guard_that_holds_nothing_is_found_out(place: Place, mutant: Guard) -> None:
    assert overtaken(paused_leader(place, mutant))


def test_a_crowd_finds_out_who_does_not_check(place: Place) -> None:
    assert any(overtaken(crowd(place, unguarded, seed)) for seed in range(5))


def test_the_writers_of_one_term_do_not_wait_for_each_other(server: PostgresqlServer) -> None:
    place = InPostgresql(server.conninfo)
    with place.connect() as connection:
        assert write(connection, 1, fenced)
    writers = [Writer(place, 1, fenced, paused=True) for _ in range(4)]
    wait_until(lambda: all(one.has_checked.is_set() for one in writers), "all are in their blocks at the same time")
    assert all(one.end() for one in writers)


def test_a_crowd_of_old_writers_cannot_keep_the_new_term_out(server: PostgresqlServer) -> None:
    """Each old writer begins before the one before it ends, so there is never a moment without one."""
    place = InPostgresql(server.conninfo)
    with place.connect() as connection:
        assert write(connection, 1, fenced)
    first = Writer(place, 1, fenced, paused=True)
    wait_until(first.has_checked.is_set, "it is in its block")
    new = Writer(place, 2, fenced)
    wait_until(place.is_waiting, "the new leader waits")
    second = Writer(place, 1, fenced)
    assert not second.has_checked.wait(0.2), "whoever comes later waits in line behind the new leader"
    assert first.end()
    assert new.end()
    assert second.end() is None


def test_two_first_writers_of_a_term_do_not_lock_each_other_out(server: PostgresqlServer) -> None:
    place = InPostgresql(server.conninfo)
    for token in range(1, 20):
        writers = [Writer(place, token, fenced) for _ in range(4)]
        assert all(one.end() for one in writers)


def test_the_checker_sees_both_signs() -> None:
    old, new = Write(1, 5.0, 6.0, 1), Write(2, 1.0, 2.0, 2)
    assert overtaken([old, new]) == [(old, new)]
    assert overtaken([Write(1, 1.0, 1.5, 2)])
    assert not overtaken([Write(1, 1.0, 3.0, 1), new])
