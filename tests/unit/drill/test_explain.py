"""An incident is told from the engines' own events, and from nothing else."""

from bascule.drill.events import TimedEvent, noticed_s, parse_line
from bascule.drill.explain import explain
from bascule.engines.protocols import EngineEvent, EventKind
from bascule.measure.verdict import Instants


def event(at_s: float, kind: EventKind, member: str, text: str = "said so", component: str = "database") -> TimedEvent:
    return TimedEvent(at_s=at_s, member=member, component=component, event=EngineEvent(kind=kind, text=text))


def told(events: list[TimedEvent], instants: Instants, new_primary: str) -> str:
    return " ".join(
        explain(
            events, instants, component="database", old_primary="db-1", new_primary=new_primary, action="killed db-1"
        )
    )


def test_a_failover_is_told_from_the_notice_to_the_repair() -> None:
    events = [
        event(99.0, "noticed", "db-9"),
        event(118.0, "noticed", "db-2", "the lease ran out"),
        event(119.0, "promoted", "db-2", "took the lease"),
        event(125.0, "rejoined", "db-1", "streams timeline 2"),
    ]
    instants = Instants(t0_s=100.0, t1_s=100.1, t3_s=119.5, t4_s=120.0, t5_s=126.0, healed_s=123.0)
    text = told(events, instants, "db-2")
    assert "At 0 s the drill killed db-1." in text
    assert "+18.00 s db-2 noticed: the lease ran out" in text
    assert "+19.00 s it failed over to db-2" in text
    assert "+25.00 s db-1 was back: streams timeline 2" in text
    assert "+26.00 s full redundancy" in text
    assert "db-9" not in text


def test_a_restart_in_place_is_not_called_a_failover() -> None:
    events = [event(101.0, "noticed", "db-1"), event(102.0, "restarted", "db-1", "recovers from the crash")]
    text = told(events, Instants(t0_s=100.0), "db-1")
    assert "At +2.00 s it did not fail over: db-1 was restarted in place: recovers" in text


def test_nobody_became_primary_is_said() -> None:
    assert "nobody became primary." in told([], Instants(t0_s=100.0), "")


def test_the_engines_own_notice_counts_before_a_health_check() -> None:
    events = [
        event(100.4, "server_down", "proxy-1", component="proxy"),
        event(118.0, "noticed", "db-2"),
    ]
    assert noticed_s(events, "database", 100.0) == 118.0


def test_without_a_notice_the_first_failed_health_check_counts() -> None:
    events = [
        event(99.0, "server_down", "proxy-1", component="proxy"),
        event(100.4, "server_down", "proxy-1", component="proxy"),
    ]
    assert noticed_s(events, "database", 100.0) == 100.4
    assert noticed_s([], "database", 100.0) is None


def test_a_log_line_has_its_moment_in_front() -> None:
    assert parse_line("12.345678 LOG: ready\n") == (12.345678, "LOG: ready")
    assert parse_line("no moment here") is None


def test_where_clients_know_all_members_nobody_fails_over() -> None:
    sentences = explain(
        [event(101.0, "noticed", "db-2", "db-1 is away")],
        Instants(t0_s=100.0, t4_s=100.5),
        component="database",
        old_primary="db-1",
        new_primary="",
        action="killed db-1",
        shared=True,
    )
    assert not any("failed over" in each or "nobody became primary" in each for each in sentences)
    assert sentences[0] == "At 0 s the drill killed db-1."
