"""A name at Route 53 follows the lease: a stand-in that is as strict as Amazon refuses what comes late."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import msgspec
import pytest
from moto import mock_aws
from tests.real.cluster.daemons import DEADLINE_S
from tests.real.cluster.rig_route53 import CREDENTIALS, Route53Rig, route53_rig
from tests.real.cluster.strict_route53 import SLOW_ZONE

from bascule.cluster.actuators import route53, route53_changes
from bascule.cluster.actuators.port import Term
from bascule.kernel.errors import ActuatorError, ConflictError
from bascule.kernel.quantities import Duration

pytestmark = pytest.mark.real


def term(token: int) -> Term:
    return Term(cluster="east", group="edge", agent="a", token=token, until_s=0.0)


def run(doing: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(doing, DEADLINE_S))


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Route53Rig]:
    with route53_rig(tmp_path_factory.mktemp("route53")) as rig:
        yield rig


@pytest.fixture
def make() -> Iterator[Any]:
    made: list[route53.Route53Name] = []

    def one(options: route53.Options) -> route53.Route53Name:
        made.append(route53.make(options))
        return made[-1]

    yield one
    for each in made:
        asyncio.run(each.close())


def test_the_name_points_at_whom_the_lease_is_with(zone: Route53Rig, make: Any) -> None:
    a, b = (make(zone.options("follows", value, leaves=True)) for value in ("10.0.0.1", "10.0.0.2"))
    run(a.promote(term(5)))
    assert zone.answers("follows", "A") == ["10.0.0.1"]
    assert zone.answers("_bascule.follows", "TXT") == ['"bascule-token=5"']
    run(a.demote())
    assert zone.answers("follows", "A") == ["10.0.0.1"]
    assert asyncio.run(a.look()) == "passive"
    run(b.promote(term(6)))
    assert zone.answers("follows", "A") == ["10.0.0.2"]


@pytest.mark.parametrize(("kind", "value"), [("AAAA", "fd00::1"), ("CNAME", "node-a.example.net")])
def test_it_may_be_of_other_types(zone: Route53Rig, make: Any, kind: str, value: str) -> None:
    name = f"kind-{kind.lower()}"
    actuator = make(msgspec.structs.replace(zone.options(name, value), type=kind))
    run(actuator.promote(term(1)))
    run(actuator.promote(term(2)))
    assert zone.answers(name, kind) == [value]
    run(actuator.demote())
    assert zone.answers(name, kind) == []


def test_an_earlier_term_leaves_the_record_of_a_later_one_alone(zone: Route53Rig, make: Any) -> None:
    old, new = (make(zone.options("earlier", value)) for value in ("10.0.0.1", "10.0.0.2"))
    run(new.promote(term(9)))
    with pytest.raises(ConflictError, match="its token is 9"):
        run(old.promote(term(8)))
    run(old.demote())
    assert zone.answers("earlier", "A") == ["10.0.0.2"]


class _Late:
    """A client whose changes are held until somebody lets them go: a process that freezes between two steps."""

    def __init__(self, actuator: route53.Route53Name) -> None:
        self.held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reached = asyncio.Event()
        self.refusals: list[str] = []
        self._swap = actuator._swap
        actuator._swap = self.swap  # type: ignore[method-assign]  # it is held here

    async def swap(self, changes: list[dict[str, Any]]) -> str:
        self.reached.set()
        await self.held
        self.refusals.append(await self._swap(changes))
        return self.refusals[-1]


@pytest.mark.parametrize("before", [None, 4])
def test_what_an_old_holder_sends_too_late_is_refused(zone: Route53Rig, make: Any, before: int | None) -> None:
    name = f"late-{before}".lower()

    async def scenario() -> None:
        old, new = (make(zone.options(name, value)) for value in ("10.0.0.1", "10.0.0.2"))
        if before is not None:
            await old.promote(term(before))
        late = _Late(old)
        promoting = asyncio.create_task(old.promote(term(7)))
        await late.reached.wait()
        await new.promote(term(8))
        late.held.set_result(None)
        with pytest.raises(ConflictError):
            await promoting
        assert "Tried to" in late.refusals[0]
        assert zone.answers(name, "A") == ["10.0.0.2"]
        assert zone.answers(f"_bascule.{name}", "TXT") == ['"bascule-token=8"']

    run(scenario())


def test_a_removal_that_comes_too_late_is_refused(zone: Route53Rig, make: Any) -> None:
    async def scenario() -> None:
        old, new = (make(zone.options("removal", value)) for value in ("10.0.0.1", "10.0.0.2"))
        await old.promote(term(1))
        late = _Late(old)
        demoting = asyncio.create_task(old.demote())
        await late.reached.wait()
        await new.promote(term(2))
        late.held.set_result(None)
        await demoting
        assert "Tried to delete" in late.refusals[0]
        assert zone.answers("removal", "A") == ["10.0.0.2"]

    run(scenario())


def test_a_removal_is_refused_even_if_the_new_holder_was_there_and_is_gone(zone: Route53Rig, make: Any) -> None:
    """The record is as it was, but of a later term: only the token tells."""

    async def scenario() -> None:
        old, new = make(zone.options("twice")), make(zone.options("twice"))
        await old.promote(term(1))
        late = _Late(old)
        demoting = asyncio.create_task(old.demote())
        await late.reached.wait()
        await new.promote(term(2))
        late.held.set_result(None)
        await demoting
        assert zone.answers("twice", "A") == ["10.0.0.1"]

    run(scenario())


def test_what_is_never_in_sync_fails_at_the_limit_and_is_waited_for_again(zone: Route53Rig, make: Any) -> None:
    options = msgspec.structs.replace(zone.options(), zone_id=SLOW_ZONE, in_sync_within=Duration(0.3))
    actuator = make(options)
    for _ in range(2):
        with pytest.raises(ActuatorError, match=r"not all name servers have it within 0.3 s"):
            run(actuator.promote(term(1)))
    unhurried = make(msgspec.structs.replace(options, in_sync_within=Duration(0.0), value="10.0.0.2"))
    run(unhurried.promote(term(2)))


def test_a_conflict_with_other_records_of_the_name_is_told_of(zone: Route53Rig, make: Any) -> None:
    run(make(zone.options("mixed")).promote(term(1)))
    cname = make(msgspec.structs.replace(zone.options("mixed", "node.example.net"), type="CNAME"))
    with pytest.raises(ActuatorError, match="conflicts with other records"):
        run(cname.promote(term(2)))


def test_a_zone_that_there_is_not_is_told_of(zone: Route53Rig, make: Any) -> None:
    with pytest.raises(ActuatorError) as raised:
        run(make(msgspec.structs.replace(zone.options(), zone_id="ZNONE")).promote(term(1)))
    assert "NoSuchHostedZone" in raised.value.what
    assert "zone's id" in raised.value.hint


def test_no_credentials_are_told_of(zone: Route53Rig, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ActuatorError, match="credentials"):
        run(make(zone.options()).promote(term(1)))


def test_moto_takes_the_batches_as_well(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto is no judge of late changes, but it is somebody else's reading of the API."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        options = route53.Options(zone_id="ZNONE", name="db.ha.example", value="10.0.0.1", at_demote="remove")
        client: Any = route53.connect(options)
        made = client.create_hosted_zone(Name="ha.example", CallerReference="1")
        zone_id = made["HostedZone"]["Id"].rpartition("/")[2]
        actuator = make(msgspec.structs.replace(options, zone_id=zone_id, in_sync_within=Duration(5)))
        run(actuator.promote(term(1)))
        run(actuator.promote(term(2)))
        assert asyncio.run(actuator.look()) == "active"
        with pytest.raises(ConflictError):
            run(actuator.promote(term(1)))
        client.close()


def test_a_zone_is_not_looked_at_more_often_than_is_wanted(zone: Route53Rig, make: Any) -> None:
    actuator = make(msgspec.structs.replace(zone.options("seldom"), look_every=Duration(3600)))
    run(actuator.promote(term(1)))
    assert asyncio.run(actuator.look()) == "active"
    run(make(zone.options("seldom", "10.0.0.2")).promote(term(2)))
    assert asyncio.run(actuator.look()) == "active"
    run(actuator.demote())
    assert asyncio.run(actuator.look()) == "passive"


def test_a_mutant_that_compares_with_what_is_there_by_then_is_not_refused(zone: Route53Rig, make: Any) -> None:
    """It shows that the tests above see what they are there for: without the old token, nothing is compared."""

    async def scenario() -> None:
        old, new = (make(zone.options("mutant", value)) for value in ("10.0.0.1", "10.0.0.2"))
        await old.promote(term(1))
        late = _Late(old)
        promoting = asyncio.create_task(old.promote(term(7)))
        await late.reached.wait()
        await new.promote(term(8))
        there = await old._there()
        blind = route53_changes.pointing(old._wanted, 7, there.records, there.texts)
        assert await late._swap(blind) == ""
        assert zone.answers("mutant", "A") == ["10.0.0.1"]
        promoting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await promoting

    run(scenario())
