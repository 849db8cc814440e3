"""Kafka's .properties files: keys, values, escapes, continued lines, and whose file it is."""

from __future__ import annotations

import pytest

from bascule.audit.estate import SourceFile, Unreadable
from bascule.audit.kafka.properties import Properties, read, recognises
from bascule.audit.words import MOST_CHARACTERS, MOST_UNREADABLE


def source(text: str, name: str = "server.properties") -> SourceFile:
    return SourceFile(name, text, tuple(text.split("\n")))


def parsed(text: str) -> Properties:
    (found,), wrong = read(source("node.id=1\n" + text))
    assert isinstance(found, Properties)
    assert wrong == []
    return found


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("a.b=c", "a.b", "c"),
        ("a.b = c ", "a.b", "c "),
        ("a.b:c", "a.b", "c"),
        ("a.b c d", "a.b", "c d"),
        ("  \ta.b\t=\tc", "a.b", "c"),
        ("a.b", "a.b", ""),
        ("a.b=", "a.b", ""),
        ("a=b=c:d", "a", "b=c:d"),
        (r"a\=b=c", "a=b", "c"),
        (r"a\ b:c", "a b", "c"),
        (r"a=\u0041\n\q", "a", "A\nq"),
        ("a=b,\\\n   c,\\\n\td", "a", "b,c,d"),
        ("a=b\\\\\nc=d", "a", "b\\"),
        ("a=b\\", "a", "b"),
        ("# x\\\na=b", "a", "b"),
        ("! x = y\n\n   \na=b", "a", "b"),
        ("a=1\na=2", "a", "2"),
    ],
)
def test_keys_and_values_are_what_java_takes_them_for(text: str, key: str, value: str) -> None:
    assert parsed(text).text(key) == value


def test_values_know_where_they_stand() -> None:
    found = parsed("  acks = all\nbroker.rack=a,\\\n  b\n")
    acks, rack = found.entries["acks"], found.entries["broker.rack"]
    assert (acks.place.line, acks.place.column, acks.place.end_column) == (2, 3, 7)
    assert (acks.value_place.column, acks.value_place.end_column) == (10, 13)
    assert (rack.value_place.line, rack.value_place.column) == (3, 13)
    assert found.at("missing").line == 1


def test_numbers_and_lists() -> None:
    found = parsed("n=3\nv=${env:N}\nl=a, b,,a")
    assert (found.whole("n"), found.whole("v", 1), found.whole("missing", 1)) == (3, None, 1)
    assert found.listed("l") == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("process.roles=controller\nnode.id=1", "server"),
        ("broker.id=1", "server"),
        ("bootstrap.servers=a:9092\nacks=all", "producer"),
        ("bootstrap.servers=a:9092\ngroup.id=g", "consumer"),
        ("bootstrap.servers=a:9092\nauto.offset.reset=latest\ncompression.type=lz4", "consumer"),
        ("bootstrap.servers=a:9092\ngroup.id=g\noffset.storage.topic=t", None),
        ("bootstrap.servers=a:9092", None),
        ("spring.application.name=shop", None),
    ],
)
def test_whose_file_it_is_is_told_by_its_keys(text: str, kind: str | None) -> None:
    found, _ = read(source(text))
    assert [one.kind for one in found if isinstance(one, Properties)] == ([kind] if kind else [])
    assert recognises(source(text)) is (kind is not None)
    assert not recognises(source(text, "server.txt"))


def test_people_are_told_which_broker_or_client_it_is() -> None:
    texts = (
        "broker.id=7",
        "node.id=8\nprocess.roles=controller",
        "process.roles=broker",
        "bootstrap.servers=a\nacks=all",
    )
    found = [read(source(text))[0][0] for text in texts]
    assert [one.subject for one in found if isinstance(one, Properties)] == [
        "broker 7",
        "controller 8",
        "server",
        "producer",
    ]


def test_a_controller_keeps_no_data_and_a_broker_does() -> None:
    assert not parsed("process.roles=controller").is_broker
    assert parsed("process.roles=broker,controller").is_broker
    assert parsed("broker.id=1").is_broker


def told(text: str) -> list[Unreadable]:
    return read(source("node.id=1\n" + text))[1]


def test_hostile_texts_are_told_within_bounds() -> None:
    assert [one.place.line for one in told("a=\0\nb=1")] == [2]
    assert len(told("a=" + "x" * 10_000_000)) == 1
    (wrong,) = told("a=b\\\n" * 200_000)
    assert wrong.what == f"a continued line of over {MOST_CHARACTERS} characters"
    assert len(told("\0\n" * 200_000)) == MOST_UNREADABLE
    assert told("a" * 60_000 + "\\" * 5_000) == []
