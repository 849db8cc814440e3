"""Patroni's leader follows the group, and a group follows Patroni's leader: against a stand-in, for what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.real.cluster.daemons import wait_until
from tests.real.cluster.rig_command import run, term
from tests.real.cluster.rig_patroni import PatroniRig, patroni_rig
from tests.real.cluster.speaking import page, speaking

from bascule.cluster.actuators import patroni
from bascule.cluster.actuators.patroni_api import PatroniApi
from bascule.cluster.checks import patroni as check
from bascule.cluster.checks.asking import Questions
from bascule.cluster.checks.port import Health
from bascule.kernel.errors import ActuatorError, InputError
from bascule.kernel.quantities import Duration, Size

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PatroniRig]:
    with patroni_rig(tmp_path_factory.mktemp("patroni")) as rig:
        yield rig


@pytest.fixture
def rig(one: PatroniRig) -> PatroniRig:
    one.set(
        leader="b", paused=False, lag=0, state="streaming", name="a", switches=True, status={}, body={}, password="",
        pending=None, orders=[], switches_after_s=0.05,
    )  # fmt: skip
    return one


def promote(rig: PatroniRig, **options: Any) -> None:
    run(patroni.make(rig.options(**options)).promote(term()))


def test_a_switchover_is_ordered_once_and_waited_for(rig: PatroniRig) -> None:
    rig.set(switches_after_s=0.7)
    promote(rig)
    assert rig.is_so()
    assert rig.orders == [{"leader": "b", "candidate": "a"}]


def test_an_answer_that_is_missing_in_the_middle_of_a_switchover_is_no_failure(rig: PatroniRig) -> None:
    rig.set(switches_after_s=1.5)

    async def scenario() -> None:
        task = asyncio.create_task(rig.actuator().promote(term()))
        await asyncio.to_thread(wait_until, lambda: bool(rig.orders), "nothing is ordered")
        rig.set(status={"/cluster": 500, "/primary": 500})
        await asyncio.wait([task], timeout=0.6)
        assert not task.done()
        rig.set(status={})
        await task

    run(scenario())
    assert rig.is_so()


def test_where_this_node_leads_nothing_is_ordered(rig: PatroniRig) -> None:
    rig.set(leader="a")
    promote(rig)
    assert rig.orders == []


def test_while_nobody_leads_patroni_is_waited_for(rig: PatroniRig) -> None:
    rig.set(leader="")

    async def scenario() -> None:
        task = asyncio.create_task(rig.actuator().promote(term()))
        await asyncio.wait([task], timeout=0.3)
        assert not task.done()
        rig.set(leader="b")
        await task

    run(scenario())
    assert rig.orders == [{"leader": "b", "candidate": "a"}], (
        "no data is risked by a failover that Patroni did not want"
    )


def test_nothing_is_ordered_once_the_validity_has_ended(rig: PatroniRig) -> None:
    with pytest.raises(ActuatorError, match="validity has ended"):
        run(rig.actuator().promote(term(left_s=0.0)))
    assert rig.orders == []


def test_a_switchover_that_does_not_come_is_told(rig: PatroniRig) -> None:
    rig.set(switches=False)
    with pytest.raises(ActuatorError, match=r"not the primary: the leader is b within 0\.5 s") as raised:
        promote(rig, switchover_within=Duration(0.5))
    assert raised.value.where.endswith(rig.url)
    assert raised.value.hint


@pytest.mark.parametrize("status", [400, 401, 403, 412, 500, 503])
def test_a_refusal_is_told_in_patronis_words(rig: PatroniRig, status: int) -> None:
    rig.set(status={"/switchover": status}, body={"/switchover": "no good\r\n\x1b[2Jcandidates"})
    with pytest.raises(ActuatorError, match=f"did not switch over from b to a: status {status} no good") as raised:
        promote(rig)
    assert raised.value.what.isprintable()
    assert ("password_file" in raised.value.hint) == (status in {401, 403})


def test_orders_carry_the_password_of_a_file_and_errors_do_not(rig: PatroniRig, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    secret.chmod(0o600)
    rig.set(password="another word")
    options = {"user": "admin", "password_file": str(secret)}
    with pytest.raises(ActuatorError, match="status 401") as raised:
        promote(rig, **options)
    assert "sesame" not in str(raised.value)
    rig.set(password="open sesame")
    promote(rig, **options)
    assert rig.is_so()
    secret.chmod(0o644)
    with pytest.raises(InputError, match="read by others"):
        promote(rig, **options)


def test_by_default_the_leader_stays_when_the_group_leaves(rig: PatroniRig) -> None:
    rig.set(leader="a")
    run(patroni.make(rig.options(at_demote="leave")).demote())
    assert rig.is_so()
    assert rig.orders == []


def test_where_that_is_wanted_the_leader_is_moved_away(rig: PatroniRig) -> None:
    rig.set(leader="a")
    run(rig.actuator().demote())
    assert not rig.is_so()
    assert rig.orders == [{"leader": "a"}]


def test_while_patroni_is_paused_it_is_told_whom_to_choose(rig: PatroniRig) -> None:
    rig.set(leader="a", paused=True)
    run(rig.actuator().demote())
    assert rig.orders == [{"leader": "a", "candidate": "b"}]


def test_patroni_is_paused_and_resumed(rig: PatroniRig) -> None:
    api = PatroniApi(rig.url, Questions(timeout_s=10))
    run(api.settle(paused=True))
    assert rig.paused
    run(api.settle(paused=False))
    assert not rig.paused


@pytest.mark.parametrize(
    "status_and_body",
    [
        {"body": {"/patroni": "garbage", "/cluster": "garbage"}},
        {"body": {"/patroni": "[]", "/cluster": "[]"}},
        {"body": {"/patroni": "{}", "/cluster": '{"members": 3}'}},
        {"body": {"/patroni": '{"patroni": {"name": 7}}', "/cluster": '{"members": [{}]}'}},
        {"body": {"/patroni": "[" * 100_000, "/cluster": "x" * 2_000_000}},
        {"status": {"/patroni": 500, "/cluster": 500}},
        {"status": {"/primary": 404}},
    ],
)
def test_what_is_no_answer_of_patroni_is_an_error_and_no_health(
    rig: PatroniRig, status_and_body: dict[str, Any]
) -> None:
    rig.set(**status_and_body)
    for doing in (rig.actuator().promote(term()), rig.actuator().demote()):
        with pytest.raises(ActuatorError):
            run(doing)
    health = run(check.make(check.Options(url=rig.url, role="any", timeout=Duration(20))).check())
    assert not health.ok
    assert 0 < len(health.why) <= 300
    assert rig.orders == []


def healthy(rig: PatroniRig, **options: Any) -> Health:
    health: Health = run(check.make(check.Options(url=rig.url, timeout=Duration(20), **options)).check())
    return health


def test_a_group_that_follows_patroni_is_for_its_primary_alone(rig: PatroniRig) -> None:
    assert not healthy(rig).ok
    rig.set(leader="a")
    assert healthy(rig) == Health(ok=True, lag_bytes=0)


@pytest.mark.parametrize(
    ("lag", "state", "most", "is_well", "lag_bytes"),
    [
        (0, "streaming", Size(1024), True, 0),
        (1024, "streaming", Size(1024), True, 1024),
        (1025, "streaming", Size(1024), False, 1025),
        ("unknown", "streaming", Size(1024), False, None),
        (-5, "streaming", Size(1024), False, None),
        ("unknown", "running", None, True, None),
        (7, "in archive recovery", None, True, 7),
        (7, "starting", None, False, None),
        (7, "stopped", None, False, None),
        (7, "", None, False, None),
    ],
)
def test_a_replica_may_have_it_while_it_works_and_is_near(
    rig: PatroniRig, lag: object, state: str, most: Size | None, *, is_well: bool, lag_bytes: int | None
) -> None:
    rig.set(lag=lag, state=state)
    health = healthy(rig, role="any", most_lag=most)
    assert (health.ok, health.lag_bytes) == (is_well, lag_bytes)
    assert bool(health.why) != health.ok


def test_a_node_that_patroni_does_not_know_is_not_well(rig: PatroniRig) -> None:
    rig.set(name="stranger")
    assert "not there" in healthy(rig, role="any").why


def test_all_questions_of_a_check_together_have_one_limit(rig: PatroniRig) -> None:
    rig.freeze()
    try:
        health = run(check.make(check.Options(url=rig.url, timeout=Duration(0.3))).check())
    finally:
        rig.thaw()
    assert not health.ok
    assert "no answer within 0.3 s" in health.why


def test_a_patroni_that_is_not_there_is_told_with_its_place() -> None:
    with speaking(page(200)) as server:
        url = f"http://127.0.0.1:{server.port}"
    with pytest.raises(ActuatorError, match="Patroni does not answer") as raised:
        run(patroni.make(patroni.Options(url=url)).promote(term()))
    assert raised.value.where == url
    assert raised.value.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://db.example:8008"},
        {"url": "http://user:word@10.0.0.1:8008"},
        {"user": "x"},
        {"password_file": "/x"},
        {"user": "a:b", "password_file": "/x"},
        {"user": "x", "password_file": "/nowhere/it"},
        {"timeout": Duration(0)},
        {"switchover_within": Duration(7200)},
    ],
)
def test_what_cannot_be_used_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError) as refused:
        patroni.make(patroni.Options(**{"url": "http://10.0.0.1:8008", **changes}))
    assert refused.value.where in changes or refused.value.where == "user"
