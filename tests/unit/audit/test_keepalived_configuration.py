"""keepalived's configuration language: blocks, comments, conditions, and the virtual routers in it."""

from __future__ import annotations

import pytest

from bascule.audit.estate import Estate, SourceFile, Unreadable
from bascule.audit.keepalived.configuration import Configuration, Statement, read, recognises
from bascule.audit.keepalived.routers import routers, seconds, whole
from bascule.audit.words import MOST_UNREADABLE


def source(text: str, name: str = "keepalived.conf") -> SourceFile:
    return SourceFile(name, text, tuple(text.split("\n")))


def parsed(text: str, name: str = "keepalived.conf") -> tuple[Configuration, list[Unreadable]]:
    (found,), wrong = read(source(text, name))
    assert isinstance(found, Configuration)
    return found, wrong


def shape(statement: Statement) -> list[object]:
    """What stands below a statement, as nested lists of words."""
    return [[*(word.text for word in one.words), *([shape(one)] if one.below else [])] for one in statement.below]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a 1\nb 2 3", [["a", "1"], ["b", "2", "3"]]),
        ("a x {\n b\n}", [["a", "x", [["b"]]]]),
        ("a x{\n b\n}", [["a", "x", [["b"]]]]),
        ("a x\n{\n b\n}", [["a", "x", [["b"]]]]),
        ("a { b }", [["a", [["b"]]]]),
        ("a { ! words\n b # words\n} c", [["a", [["b"]]], ["c"]]),
        ('a "b ! { # c"', [["a", "b ! { # c"]]),
        ("a {\n b {\n  c\n }\n d\n}", [["a", [["b", [["c"]]], ["d"]]]]),
        ("@one a 1\n@ b", [["a", "1"], ["@", "b"]]),
        ("", []),
    ],
)
def test_statements_and_blocks(text: str, expected: list[object]) -> None:
    found, wrong = parsed(text)
    assert wrong == []
    assert shape(found.root) == expected


def test_words_know_where_they_stand() -> None:
    found, _ = parsed('vrrp_script "a b" {\n    interval 2 ! seconds\n}')
    script = found.root.below[0]
    assert (script.place.column, script.place.end_column) == (1, 18)
    found, _ = parsed(" a bc{\n}")
    assert (found.root.below[0].place.column, found.root.below[0].place.end_column) == (2, 6)
    interval = script.below[0]
    assert (interval.place.line, interval.place.column, interval.place.end_column) == (2, 5, 15)


def test_what_holds_on_some_hosts_alone_is_there_but_unknown() -> None:
    found, _ = parsed("vrrp_instance a {\n @one priority 100\n @two priority 90\n state BACKUP\n}")
    block = found.root.below[0]
    assert block.varies("priority")
    assert block.value("priority") is None
    assert block.value("state") == "BACKUP"
    assert block.value("advert_int") is None


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a {\n b\n", 1, "the block of 'a' does not end"),
        ("a\n}\nb\n", 2, "a closing brace without an opening one"),
        ('a "b\nc\n', 1, "a quote that does not end on its line"),
        ("a\0b\n", 1, "a NUL character: this is no text"),
        ("a {\n" * 20, 16, "blocks within blocks, deeper than 16"),
    ],
)
def test_what_cannot_be_read_is_told_at_its_place(text: str, line: int, what: str) -> None:
    _, wrong = parsed(text)
    assert (wrong[0].place.line, wrong[0].what) == (line, what)


def test_hostile_texts_are_told_within_bounds() -> None:
    _, wrong = parsed("x" * 10_000_000)
    assert len(wrong) == 1
    _, wrong = parsed("}\n" * 200_000)
    assert len(wrong) == MOST_UNREADABLE
    _, wrong = parsed("{ } " * 15_000)
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("keepalived.conf", "! ours\nglobal_defs {\n}\n", True),
        ("edge.conf", "vrrp_instance a{\n", True),
        ("nginx.conf", "http {\n}\n", False),
        ("notes.md", "vrrp_instance a {\n", False),
    ],
)
def test_it_is_known_by_its_blocks(name: str, text: str, expected: bool) -> None:
    assert recognises(source(text, name)) is expected


@pytest.mark.parametrize(
    ("text", "expected"), [("5", 5), ("-20", -20), ("+3", 3), ("-+5", None), ("$P", None), ("", None), ("²", None)]
)
def test_numbers_have_one_sign_at_most(text: str, expected: int | None) -> None:
    assert whole(text, None) == expected
    assert whole(None, 7) == 7


def test_seconds_may_have_decimals() -> None:
    assert (seconds("0.5", 1.0), seconds(None, 1.0), seconds("1s", 1.0)) == (0.5, 1.0, None)


INSTANCE = (
    "vrrp_instance {name} {{\n virtual_router_id {router}\n interface eth0\n virtual_ipaddress {{\n {ip}\n }}\n}}\n"
)


def estate(*texts: str) -> Estate:
    made = Estate()
    for number, text in enumerate(texts):
        made.add(parsed(text, f"host-{number}.conf")[0])
    return made


def test_hosts_with_one_id_and_an_address_in_common_are_one_router() -> None:
    same = [INSTANCE.format(name="a", router=5, ip=ip) for ip in ("10.0.0.9/24 dev eth0", "10.0.0.9")]
    others = [INSTANCE.format(name="a", router=5, ip="10.0.0.8"), INSTANCE.format(name="a", router=6, ip="10.0.0.9")]
    found = routers(estate(*same, *others))
    assert [[one.file for one in group] for group in found.groups] == [["host-0.conf", "host-1.conf"]]
    assert len(found.instances) == 4


def test_of_one_host_one_instance_counts() -> None:
    text = INSTANCE.format(name="a", router=5, ip="10.0.0.9")
    assert routers(estate(text + text)).groups == ()
    assert [len(group) for group in routers(estate(text + text, text)).groups] == [2]


def test_a_group_tracks_for_its_members() -> None:
    text = INSTANCE.format(name="a", router=5, ip="10.0.0.9")
    group = "vrrp_sync_group g {\n group {\n  a\n }\n track_script {\n  chk\n }\n}\n"
    assert [one.is_tracked for one in routers(estate(text, text + group)).instances] == [False, True]


def test_a_weight_is_the_instances_own_or_that_of_the_script() -> None:
    scripts = "vrrp_script s {\n weight -20\n}\n"
    tracked = "track_script {\n s\n s weight 5\n unknown\n }\n track_interface {\n eth1 weight -3\n }\n"
    text = scripts + INSTANCE.format(name="a", router=5, ip="10.0.0.9").replace("interface eth0", tracked)
    (one,) = routers(estate(text)).instances
    assert [(entry.name, weight) for entry, weight in one.weights()] == [
        ("s", -20), ("s", 5), ("unknown", 0), ("eth1", -3),
    ]  # fmt: skip
