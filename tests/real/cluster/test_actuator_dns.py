"""A DNS name follows the lease: a real named is asked, and refuses itself what comes late."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.update
import msgspec
import pytest
from tests.real.cluster.daemons import DEADLINE_S
from tests.real.cluster.rig_dns import ZONE, NamedRig, named_rig, write_key

from bascule.cluster.actuators import dns as dns_actuator
from bascule.cluster.actuators.dns_server import Server
from bascule.cluster.actuators.port import Term
from bascule.kernel.errors import ActuatorError, ConflictError

pytestmark = pytest.mark.real


def term(token: int) -> Term:
    return Term(cluster="east", group="edge", agent="a", token=token, until_s=0.0)


def run(doing: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(doing, DEADLINE_S))


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamedRig]:
    with named_rig(tmp_path_factory.mktemp("named")) as rig:
        yield rig


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name of the test's own."""
    text: str = request.node.name
    return text.replace("_", "-")[5:40].rstrip("-[]").replace("[", "-")


def test_the_name_points_at_whom_the_lease_is_with(named: NamedRig, name: str) -> None:
    a, b = (dns_actuator.make(named.options(name, value, leaves=True)) for value in ("10.0.0.1", "10.0.0.2"))
    run(a.promote(term(5)))
    assert named.answers(name, "A") == ["10.0.0.1"]
    assert named.answers(f"_bascule.{name}", "TXT") == ['"bascule-token=5"']
    run(a.demote())
    assert named.answers(name, "A") == ["10.0.0.1"]
    assert asyncio.run(a.look()) == "passive"
    run(b.promote(term(6)))
    assert named.answers(name, "A") == ["10.0.0.2"]
    assert named.answers(f"_bascule.{name}", "TXT") == ['"bascule-token=6"']


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [("AAAA", "FD00::0:1", "fd00::1"), ("CNAME", "node-a.example.net", "node-a.example.net.")],
)
def test_it_may_be_of_other_types(named: NamedRig, kind: str, value: str, told: str) -> None:
    actuator = dns_actuator.make(named.options(f"kind-{kind.lower()}", value, kind=kind))
    run(actuator.promote(term(1)))
    assert named.answers(f"kind-{kind.lower()}", kind) == [told]
    assert asyncio.run(actuator.look()) == "active"
    run(actuator.demote())
    assert named.answers(f"kind-{kind.lower()}", kind) == []


def test_both_families_of_one_name_follow_one_term(named: NamedRig, name: str) -> None:
    four = dns_actuator.make(named.options(name))
    six = dns_actuator.make(named.options(name, "fd00::1", kind="AAAA"))
    run(four.promote(term(3)))
    run(six.promote(term(3)))
    assert named.answers(name, "A") + named.answers(name, "AAAA") == ["10.0.0.1", "fd00::1"]
    assert asyncio.run(four.look()) == asyncio.run(six.look()) == "active"


def test_an_earlier_term_leaves_the_record_of_a_later_one_alone(named: NamedRig, name: str) -> None:
    old, new = (dns_actuator.make(named.options(name, value)) for value in ("10.0.0.1", "10.0.0.2"))
    run(new.promote(term(9)))
    with pytest.raises(ConflictError) as conflict:
        run(old.promote(term(8)))
    assert "its token is 9" in conflict.value.what
    assert "made anew" in conflict.value.hint
    run(old.demote())
    assert named.answers(name, "A") == ["10.0.0.2"]


class _Late:
    """A server whose updates are held until somebody lets them go: a process that freezes between two steps."""

    def __init__(self, server: Server) -> None:
        self.held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reached = asyncio.Event()
        self.outcomes: list[bool] = []
        self._update = server.update
        server.update = self.update  # type: ignore[method-assign]  # it is held here

    async def update(self, message: dns.update.UpdateMessage) -> bool:
        self.reached.set()
        await self.held
        self.outcomes.append(await self._update(message))
        return self.outcomes[-1]


@pytest.mark.parametrize("before", [None, 4])
def test_the_server_itself_refuses_what_an_old_holder_sends_too_late(named: NamedRig, before: int | None) -> None:
    name = f"late-{before}".lower()

    async def scenario() -> None:
        old, new = (dns_actuator.make(named.options(name, value)) for value in ("10.0.0.1", "10.0.0.2"))
        if before is not None:
            await old.promote(term(before))
        late = _Late(old._servers[0])
        promoting = asyncio.create_task(old.promote(term(7)))
        await late.reached.wait()
        await new.promote(term(8))
        late.held.set_result(None)
        with pytest.raises(ConflictError):
            await promoting
        assert late.outcomes == [False]
        assert named.answers(name, "A") == ["10.0.0.2"]
        assert named.answers(f"_bascule.{name}", "TXT") == ['"bascule-token=8"']

    run(scenario())


def test_the_server_itself_refuses_a_removal_that_comes_too_late(named: NamedRig, name: str) -> None:
    async def scenario() -> None:
        old, new = (dns_actuator.make(named.options(name, value)) for value in ("10.0.0.1", "10.0.0.2"))
        await old.promote(term(1))
        late = _Late(old._servers[0])
        demoting = asyncio.create_task(old.demote())
        await late.reached.wait()
        await new.promote(term(2))
        late.held.set_result(None)
        await demoting
        assert late.outcomes == [False]
        assert named.answers(name, "A") == ["10.0.0.2"]

    run(scenario())


def test_without_the_prerequisite_the_old_holder_would_win(named: NamedRig, name: str) -> None:
    """The mutant: it shows that the tests above see what they are there for."""

    async def scenario() -> None:
        old, new = (dns_actuator.make(named.options(name, value)) for value in ("10.0.0.1", "10.0.0.2"))
        old._conditional = lambda server, there: server.new_update()  # type: ignore[method-assign]  # noqa: ARG005 - the mutation
        late = _Late(old._servers[0])
        promoting = asyncio.create_task(old.promote(term(7)))
        await late.reached.wait()
        await new.promote(term(8))
        late.held.set_result(None)
        await promoting
        assert named.answers(name, "A") == ["10.0.0.1"]

    run(scenario())


def test_a_record_that_somebody_removed_or_changed_is_seen_and_mended(named: NamedRig, name: str) -> None:
    actuator = dns_actuator.make(named.options(name))
    run(actuator.promote(term(2)))
    thief = dns_actuator.make(named.options(name, "10.0.0.9"))
    run(thief.promote(term(2)))
    assert asyncio.run(actuator.look()) == "passive"
    run(actuator.promote(term(2)))
    assert named.answers(name, "A") == ["10.0.0.1"]


def test_a_ttl_that_is_not_as_it_is_wanted_is_written_anew(named: NamedRig, name: str) -> None:
    options = named.options(name)
    run(dns_actuator.make(options).promote(term(2)))
    other = msgspec.structs.replace(options, ttl=dns_actuator.Options.__struct_defaults__[1] * 7)
    run(dns_actuator.make(other).promote(term(2)))
    query = dns.message.make_query(options.name, "A")
    assert dns.query.tcp(query, "127.0.0.1", port=named.port, timeout=DEADLINE_S).answer[0].ttl == 35


def test_a_name_that_somebody_else_uses_is_told_of(named: NamedRig) -> None:
    actuator = dns_actuator.make(named.options("taken"))
    with pytest.raises(ActuatorError) as raised:
        run(actuator.promote(term(1)))
    assert "CNAME" in raised.value.hint
    assert named.answers("taken", "CNAME") == [f"ns.{ZONE}."]


def test_a_txt_record_that_holds_no_token_is_left_alone(named: NamedRig, name: str) -> None:
    key = dns_actuator.make(named.options(name))._servers[0]._key
    update = dns.update.UpdateMessage(ZONE)
    update.add(f"_bascule.{name}.{ZONE}.", 5, "TXT", '"v=spf1 -all"')
    update.use_tsig(key)
    dns.query.tcp(update, "127.0.0.1", port=named.port, timeout=DEADLINE_S)
    with pytest.raises(ActuatorError, match="not a fencing token"):
        run(dns_actuator.make(named.options(name)).promote(term(1)))
    assert named.answers(name, "A") == []


@pytest.mark.parametrize(("secret", "called"), [(b"x" * 32, "ha"), (b"k" * 32, "other")])
def test_a_wrong_key_is_told_of_and_never_quoted(named: NamedRig, tmp_path: Path, secret: bytes, called: str) -> None:
    key_file = write_key(tmp_path / "wrong.key", secret, name=called)
    actuator = dns_actuator.make(msgspec.structs.replace(named.options("keyed"), key_file=str(key_file)))
    with pytest.raises(ActuatorError) as raised:
        run(actuator.promote(term(1)))
    assert "signed" in raised.value.what
    assert "secret must be the same" in raised.value.hint
    assert "eHh4" not in str(raised.value)
    assert "a2tr" not in str(raised.value)
    assert asyncio.run(actuator.look()) == "unknown"


def test_a_zone_that_the_server_has_not_is_told_of(named: NamedRig) -> None:
    options = msgspec.structs.replace(named.options(), zone="other.example", name="db.other.example")
    with pytest.raises(ActuatorError, match="REFUSED"):
        run(dns_actuator.make(options).promote(term(1)))


@pytest.fixture
def second(tmp_path: Path) -> Iterator[NamedRig]:
    with named_rig(tmp_path) as rig:
        yield rig


def test_all_servers_are_told(named: NamedRig, second: NamedRig, name: str) -> None:
    actuator = dns_actuator.make(named.options(name, also=(second.text,)))
    run(actuator.promote(term(1)))
    assert named.answers(name, "A") == second.answers(name, "A") == ["10.0.0.1"]
    run(actuator.demote())
    assert named.answers(name, "A") == second.answers(name, "A") == []


def test_one_server_may_be_enough_and_the_other_is_made_good_when_it_is_back(
    named: NamedRig, second: NamedRig, name: str
) -> None:
    second.stop()
    with pytest.raises(ActuatorError) as raised:
        run(dns_actuator.make(named.options(name, also=(second.text,))).promote(term(1)))
    assert raised.value.where == second.text
    actuator = dns_actuator.make(named.options(name, also=(second.text,), needs_one=True))
    run(actuator.promote(term(1)))
    assert asyncio.run(actuator.look()) == "active"
    second.start()
    assert asyncio.run(actuator.look()) == "passive"
    run(actuator.promote(term(1)))
    assert second.answers(name, "A") == ["10.0.0.1"]
    assert asyncio.run(actuator.look()) == "active"


def test_a_later_term_at_one_of_the_servers_stops_the_old_one_even_where_one_is_enough(
    named: NamedRig, second: NamedRig, name: str
) -> None:
    run(dns_actuator.make(second.options(name, "10.0.0.2")).promote(term(6)))
    with pytest.raises(ConflictError):
        run(dns_actuator.make(named.options(name, also=(second.text,), needs_one=True)).promote(term(5)))
