"""Where HAProxy's rules begin and end: what is next to a weakness, and is none."""

from __future__ import annotations

import pytest

from bascule.audit.estate import Estate, SourceFile
from bascule.audit.finding import Found
from bascule.audit.haproxy import RULES
from bascule.audit.haproxy.configuration import Line, Server, read
from bascule.audit.haproxy.proxies import is_name
from bascule.audit.place import Place
from bascule.audit.words import Word
from bascule.kernel.quantities import Duration, Rate, Share
from bascule.system import Positions
from bascule.system.model import Availability, Component, Disruption, Objectives, Region, System, Workload

HEAD = """\
global
    hard-stop-after 1m
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
    timeout http-request 1s
    option redispatch
    option httpchk
"""
TWO = "server a 10.0.0.1:80 check maxconn 9\n    server b 10.0.0.2:80 check maxconn 9\n"


def audited(text: str, rto_s: float | None = None) -> list[tuple[str, Found]]:
    estate = Estate()
    (one,), wrong = read(SourceFile("haproxy.cfg", text, tuple(text.split("\n"))))
    assert wrong == []
    estate.add(one)
    if rto_s is not None:
        promised = {"host": Disruption(rto=Duration(rto_s), rpo=Duration(0))}
        estate.system = System(
            system="shop",
            objectives=Objectives(availability=Availability(target=Share(0.999)), disruptions=promised),  # type: ignore[arg-type]  # a dict of one literal
            regions={"one": Region(zones=("a",))},
            components={"web": Component(engine="service", replicas={"a": 1})},
            workload=Workload(through="web", rate=Rate(1)),
        )
        estate.positions = Positions("bascule.yaml", {}, {})
    return [(rule.id.removeprefix("BSC-HAP-"), found) for rule in RULES for found in rule.check(estate)]


def ids(text: str, rto_s: float | None = None) -> set[str]:
    return {number for number, _ in audited(text, rto_s)}


def backend(*lines: str) -> str:
    return HEAD + "backend x\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((TWO,), set()),
        # A check may be another server's, an agent's, or be in default-server.
        (("default-server check maxconn 1", "server a 10.0.0.1:80", "server b 10.0.0.2:80"), set()),
        ((TWO, "server c 10.0.0.3:80 maxconn 1 track x/a"), set()),
        ((TWO, "server c 10.0.0.3:80 maxconn 1 agent-check agent-port 9"), set()),
        ((TWO, "server c 10.0.0.3:80 maxconn 1 disabled"), set()),
        ((TWO, "server c 10.0.0.3:80 maxconn 1 no-check"), {"001"}),
        # One server is enough where it shares the proxy's fate.
        (("server a 10.0.0.1:80 check maxconn 1",), {"003"}),
        (("server a 127.0.0.1:80 check maxconn 1",), set()),
        (("server a unix@/run/app.sock check maxconn 1",), set()),
        (("server a /run/app.sock check maxconn 1",), set()),
        (("server a 10.0.0.1:80 check maxconn 1", "server b 10.0.0.2:80 check maxconn 1 backup"), set()),
        (("server-template a 3 10.0.0.1:80 check maxconn 1",), set()),
        # What may be sent again.
        ((TWO, "retry-on conn-failure"), set()),
        ((TWO, "retry-on all-retryable-errors"), {"004"}),
        ((TWO, "retry-on 503", "retries 0"), set()),
        ((TWO, "retry-on 503", "http-request disable-l7-retry if METH_POST"), set()),
        ((TWO, "stick-table type ip size 1k"), {"005"}),
        ((TWO, "server c 10.0.0.3:80 check maxconn 1 weight 0"), {"007"}),
        ((TWO, "server c 10.0.0.3:80 check maxconn 1 weight 0 disabled"), set()),
        ((TWO, "server c 10.0.0.3:80 check maxconn 1 weight ${W}"), set()),
        # What counts as a look at the service itself.
        ((TWO, "no option httpchk"), {"009"}),
        ((TWO, "no option httpchk", "option redis-check"), set()),
        ((TWO, "no option httpchk", "option tcp-check", "tcp-check expect string ok"), set()),
        ((TWO, "no option httpchk", "option tcp-check", "tcp-check connect"), {"009"}),
        (("no option httpchk", "mode tcp", TWO), set()),
        (("server a 10.0.0.1:80 check", "server b 10.0.0.2:80 check"), {"010"}),
        (("mode tcp", "server a 10.0.0.1:80 check", "server b 10.0.0.2:80 check"), set()),
        # Ways to the primary.
        (("mode tcp", "option httpchk GET /primary", TWO), {"011"}),
        (("mode tcp", "option httpchk OPTIONS /master?lag=1MB HTTP/1.1", TWO), {"011"}),
        (("mode tcp", "http-check send meth GET uri /read-write", TWO), {"011"}),
        (("mode tcp", "option httpchk /primary", TWO), {"011"}),
        (("mode tcp", "no option httpchk", "tcp-check expect string role:master", TWO), {"011"}),
        (("mode tcp", "option httpchk GET /replica", TWO), set()),
        (("mode tcp", "default-server port 8008", TWO), {"011"}),
        (("mode tcp", "default-server port 8009", TWO), set()),
        (("mode tcp", "default-server port 8008", "option httpchk GET /replica", TWO), set()),
        (("mode tcp", "option httpchk GET /primary", "default-server on-marked-down shutdown-sessions", TWO), set()),
        # Names and addresses.
        ((TWO, "server c app:80 check maxconn 1"), {"012"}),
        ((TWO, "server c [2001:db8::1]:80 check maxconn 1"), set()),
        ((TWO, "server c ipv6@2001:db8::1:80 check maxconn 1"), set()),
        ((TWO, "server c ${HOST}:80 check maxconn 1"), set()),
        ((TWO, "server c localhost:80 check maxconn 1"), set()),
        ((TWO, "server c app:80 check maxconn 1 resolvers r"), {"013"}),
        ((TWO, "server c app:80 check maxconn 1 resolvers r init-addr last,libc,none"), set()),
        ((TWO, "server c app:80 check maxconn 1 resolvers r init-addr libc,10.0.0.9"), set()),
        ((TWO, "balance leastconn"), {"014"}),
        ((TWO, "balance leastconn", "option httpchk GET /primary"), {"011"}),
        ((TWO, "server c 10.0.0.3:80 check backup maxconn 1"), set()),
        ((TWO, "server c 10.0.0.3:80 check backup", "server d 10.0.0.4:80 check backup"), {"015"}),
        ((TWO, "server-template c 2 10.0.0.3:80 check backup"), {"015"}),
        ((TWO, "no option redispatch"), {"018"}),
        ((TWO, "no option redispatch", "retries 0"), set()),
        ((TWO, "no option redispatch", "option httpchk GET /primary"), {"011"}),
    ],
)  # fmt: skip
def test_what_is_a_weakness_of_a_backend_and_what_is_none(lines: tuple[str, ...], expected: set[str]) -> None:
    assert ids(backend(*lines)) == expected


def test_a_piece_may_have_its_timeouts_elsewhere() -> None:
    piece = f"backend x\n    mode http\n    option httpchk\n    {TWO}"
    assert ids(piece) == set()
    assert ids(piece.replace("option httpchk", "balance first")) == set()
    assert ids("defaults\n    option redispatch\n" + piece) == {"002"}
    unlimited = "defaults\n    timeout server 0\n    timeout connect ${T}\n"
    (found,) = [one for number, one in audited(unlimited + piece) if number == "002"]
    assert found.what == "backend x waits for ever: no timeout server"


def test_a_frontend_may_guard_the_retries_of_its_backends() -> None:
    text = backend(TWO, "retry-on response-timeout")
    guarded = "frontend f\n    default_backend x\n    http-request disable-l7-retry unless METH_GET\n"
    assert ids(text + guarded) == set()
    assert ids(text + guarded + "frontend g\n    use_backend x if TRUE\n") == {"004"}


def test_the_edit_of_unsafe_retries_stands_in_the_backend_alone() -> None:
    (one,) = [found for number, found in audited(backend(TWO, "retry-on 503")) if number == "004"]
    assert [edit.text for edit in one.edits] == ["http-request disable-l7-retry unless METH_GET\n    "]
    (one,) = [found for number, found in audited(HEAD + "    retry-on 503\nbackend x\n    " + TWO) if number == "004"]
    assert one.edits == ()


@pytest.mark.parametrize(
    ("line", "rto_s", "expected"),
    [
        ("", 6.0, set()),
        ("", 5.9, {"008"}),
        ("inter 1s fastinter 500ms fall 5", 3.0, set()),
        ("inter 1s fastinter 500ms fall 5", 2.9, {"008"}),
        ("inter 30s observe layer7", 2.0, set()),
        ("inter ${I}", 2.0, set()),
        ("inter 1h", None, set()),
    ],
)
def test_detection_is_the_first_check_and_then_the_fast_ones(
    line: str, rto_s: float | None, expected: set[str]
) -> None:
    assert ids(backend(f"default-server {line}", TWO), rto_s) == expected


def test_state_is_kept_by_a_file_or_not_to_be_changed() -> None:
    socket = HEAD.replace("global\n", "global\n    stats socket /run/h.sock level {}\n")
    text = "backend x\n    " + TWO
    assert ids(socket.format("admin") + text) == {"006"}
    assert ids(socket.format("operator") + text) == set()
    assert ids(socket.format("admin") + "    load-server-state-from-file local\n" + text) == set()
    assert ids(socket.format("admin") + "    load-server-state-from-file none\n" + text) == {"006"}


def test_one_place_is_told_once() -> None:
    text = backend("default-server inter 9s", TWO)
    assert [number for number, _ in audited(text, 5.0)] == ["008"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("more", [":", "a", "1", ".", "a:", "1.", "[::"])
def test_no_address_takes_more_than_one_reading(more: str) -> None:
    text = more * (65_536 // len(more)) + "z"
    server = Server("a", Word(text, Place("haproxy.cfg")), Line(()), {}, frozenset())
    assert isinstance(is_name(server), bool)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1:80", False),
        ("10.0.0.1", False),
        ("ipv4@10.0.0.1:80", False),
        ("*:80", False),
        ("::1", False),
        ("[2001:db8::1]:80", False),
        ("ipv6@fe80::1:80", False),
        ("app:80", True),
        ("cafe:80", True),
        ("db1.shop.example:5432", True),
    ],
)
def test_what_is_a_name_has_to_be_resolved(address: str, *, expected: bool) -> None:
    assert is_name(Server("a", Word(address, Place("haproxy.cfg")), Line(()), {}, frozenset())) is expected
