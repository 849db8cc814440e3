"""A process is its member's, whatever became of its parents and of its environment."""

from collections.abc import Mapping

from bascule.lab.ownership import Clue, Key, Owner, Row, below, owners, topmost

APP = Owner("app", "/lab/members/app", "host-1", member=True)
STORE = Owner("store", "/lab/members/store", "host-2", member=True)
LOAD = Owner("load", "/lab", "host-1", member=False)
PROGRAMS = {owner.name: owner for owner in (APP, STORE, LOAD)}


def row(pid: int, parent: int, *, command: str = "x", session: int = 0, start: int | None = None) -> Row:
    return Row(pid, command, "S", parent, session or pid, pid if start is None else start)


def table(*rows: Row) -> dict[int, Row]:
    return {each.pid: each for each in rows}


def find(
    rows: Mapping[int, Row], known: dict[Key, str] | None = None, clues: Mapping[int, Clue] | None = None
) -> dict[int, str]:
    return owners(rows, {} if known is None else known, PROGRAMS, lambda each: (clues or {}).get(each.pid, Clue()))


def test_children_are_their_parents() -> None:
    rows = table(row(1, 0), row(10, 1), row(11, 10), row(12, 11), row(20, 1))
    assert find(rows, {(10, 10): "app"}) == {10: "app", 11: "app", 12: "app"}


def test_what_was_known_stays_known_when_its_parent_is_gone() -> None:
    known: dict[Key, str] = {(10, 10): "app"}
    find(table(row(1, 0), row(10, 1), row(11, 10)), known)
    assert find(table(row(1, 0), row(11, 1)), known) == {11: "app"}
    assert (10, 10) not in known, "the dead are forgotten"


def test_a_pid_that_came_again_is_another_process() -> None:
    known: dict[Key, str] = {(10, 10): "app"}
    assert find(table(row(1, 0), row(10, 1, start=99)), known) == {}


def test_each_clue_finds_an_orphan() -> None:
    leader = row(10, 1)
    known: dict[Key, str] = {leader.key: "app"}
    rows = table(row(1, 0), leader, row(11, 1, session=10), row(12, 1), row(13, 1), row(14, 1), row(15, 1))
    clues = {
        12: Clue(mark="store"),
        13: Clue(directory="/lab/members/store/data"),
        14: Clue(host="host-2"),
        15: Clue(directory="/lab/members/store-2", host="elsewhere"),
    }
    assert find(rows, known, clues) == {10: "app", 11: "app", 12: "store", 13: "store", 14: "store"}


def test_a_mark_is_stronger_than_the_host() -> None:
    rows = table(row(1, 0), row(12, 1))
    assert find(rows, {}, {12: Clue(mark="load", host="host-1")}) == {12: "load"}


def test_a_host_with_two_members_proves_nothing() -> None:
    programs = {**PROGRAMS, "twin": Owner("twin", "/lab/members/twin", "host-1", member=True)}
    rows = table(row(1, 0), row(12, 1))
    assert owners(rows, {}, programs, lambda _: Clue(host="host-1")) == {}


def test_a_child_seen_before_its_parent_was_known_is_found_later() -> None:
    known: dict[Key, str] = {}
    rows = table(row(1, 0), row(10, 1), row(11, 10))
    assert find(rows, known) == {}
    known[10, 10] = "app"
    assert find(rows, known) == {10: "app", 11: "app"}


def test_the_topmost_of_a_command_has_none_of_its_kind_above_it() -> None:
    rows = table(
        row(1, 0),
        row(10, 1, command="python"),
        row(30, 10, command="postgres"),
        row(31, 30, command="postgres"),
        row(5, 30, command="postgres", start=32),
    )
    assert topmost(rows, [10, 30, 31, 5], "postgres") == 30
    assert topmost(rows, [10, 30, 31, 5], "redis") is None


def test_of_two_topmost_the_elder_is_taken() -> None:
    rows = table(row(1, 0), row(30, 1, command="postgres", start=9), row(31, 1, command="postgres", start=8))
    assert topmost(rows, [30, 31], "postgres") == 31


def test_only_what_stands_below_is_looked_at() -> None:
    rows = table(row(1, 0), row(10, 1), row(11, 10), row(12, 11), row(20, 1))
    assert set(below(rows, 10)) == {11, 12}
