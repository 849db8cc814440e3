"""HAProxy's configuration language: sections, words, quotes, and what servers take from above them."""

from __future__ import annotations

import pytest

from bascule.audit.estate import SourceFile, Unreadable
from bascule.audit.haproxy.configuration import Configuration, Section, read, recognises
from bascule.audit.haproxy.options import seconds, whole
from bascule.audit.words import MOST_CHARACTERS, MOST_UNREADABLE


def source(text: str, name: str = "haproxy.cfg") -> SourceFile:
    return SourceFile(name, text, tuple(text.split("\n")))


def parsed(text: str) -> tuple[Configuration, list[Unreadable]]:
    (found,), wrong = read(source(text))
    assert isinstance(found, Configuration)
    return found, wrong


def section(text: str) -> Section:
    found, wrong = parsed(text)
    assert wrong == []
    return found.sections[-1]


def words(line: str) -> list[str]:
    return [word.text for word in section(f"backend x\n    {line}").lines[0].words]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("option httpchk GET /health", ["option", "httpchk", "GET", "/health"]),
        ('http-check send hdr Host "shop example"', ["http-check", "send", "hdr", "Host", "shop example"]),
        ("http-check send hdr Host shop\\ example", ["http-check", "send", "hdr", "Host", "shop example"]),
        (r"log-format 'a\b # c'", ["log-format", r"a\b # c"]),
        (r'log-format "\x41\"\t"', ["log-format", 'A"\t']),
        ("server a 10.0.0.1:80#comment", ["server", "a", "10.0.0.1:80"]),
        (r"acl a path \#x # comment", ["acl", "a", "path", "#x"]),
        (r"log-format one'two'\ \"three", ["log-format", 'onetwo "three']),
        ('server a ""', ["server", "a", ""]),
        ("description ends with\\", ["description", "ends", "with\\"]),
    ],
)
def test_words_are_what_haproxy_takes_them_for(line: str, expected: list[str]) -> None:
    assert words(line) == expected


def test_words_know_where_they_stand_quotes_included() -> None:
    line = section('backend x\n\tserver "a b"  10.0.0.1:80 check').lines[0]
    places = [(word.place.line, word.place.column, word.place.end_column) for word in line.words]
    assert places == [(2, 2, 8), (2, 9, 14), (2, 16, 27), (2, 28, 33)]
    assert (line.place.column, line.place.end_column) == (2, 33)


def test_sections_begin_where_their_keyword_stands_first_whatever_its_indent() -> None:
    found, _ = parsed("global\n  maxconn 5\n  listen a\nmode http\n.if defined(X)\nbackend b\n.endif\n")
    assert [(one.kind, one.name) for one in found.sections] == [("global", ""), ("listen", "a"), ("backend", "b")]
    assert found.sections[1].mode == "http"


def test_settings_come_from_the_latest_defaults_or_those_that_are_named() -> None:
    text = (
        "defaults one\n timeout client 1s\n option redispatch\n mode http\n"
        "defaults two from one\n timeout client 2s\n no option redispatch\n"
        "defaults three\n"
        "frontend a from two\nfrontend b from one\nfrontend c\nfrontend d from nowhere\n"
    )
    found, _ = parsed(text)
    a, b, c, d = found.of("frontend")
    assert [one.find("timeout", "client").word(2) if one.find("timeout", "client") else "" for one in (a, b, c, d)] == [  # type: ignore[union-attr]  # asked for just before
        "2s", "1s", "", "",
    ]  # fmt: skip
    assert a.option("redispatch") is None
    assert b.option("redispatch") is not None
    assert (a.mode, c.mode) == ("http", "tcp")


def test_servers_take_what_default_server_said_above_them() -> None:
    text = (
        "defaults\n default-server inter 5s check\n"
        "backend x\n server a 10.0.0.1:80\n default-server inter 1s fall 2\n"
        " server b 10.0.0.2:80 no-check\n server c 10.0.0.3:80 source 0.0.0.0 inter 3s backup\n"
        " server-template d 2-4 e.example:80\n"
    )
    a, b, c, d = section(text).servers
    assert [one.value("inter") for one in (a, b, c, d)] == ["5s", "1s", "3s", "1s"]
    assert [one.has("check") for one in (a, b, c, d)] == [True, False, True, True]
    assert a.value("fall") is None
    assert c.has("backup")
    assert c.own == {"inter", "backup"}
    assert [one.count for one in (a, b, c, d)] == [1, 1, 1, 3]
    assert d.address.text == "e.example:80"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2s", 2.0), ("500", 0.5), ("500ms", 0.5), ("1m", 60.0), ("7us", 7e-6), ("", None), ("${X}", None), ("-1s", None)],
)
def test_times_are_milliseconds_unless_they_say_otherwise(text: str, expected: float | None) -> None:
    assert seconds(text) == expected
    assert seconds(None, 2.0) == 2.0


@pytest.mark.parametrize(("written", "count"), [("5", 5), ("2-4", 3), ("4-2", 1), ("0", 1), ("x", 1), ("9" * 7, 1)])
def test_a_template_makes_as_many_servers_as_it_says(written: str, count: int) -> None:
    (server,) = section(f"backend x\n server-template d {written} e.example:80").servers
    assert server.count == count


def test_numbers_that_are_variables_are_unknown() -> None:
    assert (whole("12"), whole(None, 3), whole("${N}"), whole("²")) == (12, 3, None, None)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("haproxy.cfg", "# ours\n\nglobal\n", True),
        ("lb/50-web.conf", "backend web\n", True),
        ("haproxy", "listen x\n", True),
        ("keepalived.conf", "global_defs {\n}\n", False),
        ("x.conf", "backend {\n", False),
        ("setup.cfg", "[metadata]\n", False),
        ("notes.txt", "global\n", False),
        ("empty.cfg", "", False),
    ],
)
def test_it_is_known_by_its_first_section(name: str, text: str, expected: bool) -> None:
    assert recognises(source(text, name)) is expected


@pytest.mark.parametrize(
    ("line", "column", "what"),
    [
        ('  server a "10.0.0.1', 12, "a quote or an escape that does not end on its line"),
        ("  server a '10.0.0.1", 12, "a quote or an escape that does not end on its line"),
        ("  server \0a", 10, "a NUL character: this is no text"),
        ("  " + "w " * 65, 3, "a line of 65 words; HAProxy takes at most 64"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_and_left_out(line: str, column: int, what: str) -> None:
    found, (wrong,) = parsed(f"backend x\n{line}\n  server b 10.0.0.2:80\n")
    assert (wrong.place.line, wrong.place.column, wrong.what) == (2, column, what)
    assert [one.name for one in found.sections[0].servers] == ["b"]


def test_hostile_texts_are_told_within_bounds() -> None:
    long = "x" * 10_000_000
    _, wrong = parsed(f"backend x\nserver {long}\n{'server {'}\n")
    assert [one.what for one in wrong] == [f"a line of 10000007 characters; at most {MOST_CHARACTERS} are read"]
    _, wrong = parsed("backend x\n" + '"\n' * 100_000)
    assert len(wrong) == MOST_UNREADABLE
    _, wrong = parsed('backend x\n"' + '\\"' * 30_000)
    assert len(wrong) == 1
    found, wrong = parsed("\n".join(f"defaults d{n} from d{n - 1}" for n in range(20_000)) + "\nbackend x\n")
    assert wrong == []
    assert len(list(found.sections[-1].sources())) == 16
