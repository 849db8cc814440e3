from __future__ import annotations

from pathlib import Path

from bascule.engines import registry

GOLDEN = Path(__file__).parents[2] / "golden" / "engines"


def told(name: str) -> list[tuple[str, str]]:
    """What the engine makes of a real log, without what it says twice in a row."""
    engine = registry.engine("postgresql")
    events = [engine.event(line) for line in (GOLDEN / name).read_text().splitlines()]
    pairs = [(each.kind, each.text) for each in events if each]
    return [pair for before, pair in zip([None, *pairs], pairs, strict=False) if pair != before]


def test_a_killed_main_process_is_noticed_and_handed_over() -> None:
    assert told("postgresql-main-process-killed.log")[:7] == [
        ("noticed", "found its PostgreSQL dead"),
        ("noticed", "looks for a successor: database-a-1 answers"),
        ("noticed", "looks for a successor: database-c-1 answers"),
        ("noticed", "its PostgreSQL crashed: a standby shall take over"),
        ("demoted", "gives up its role (immediate)"),
        ("lease", "gave its lease back"),
        ("ready", "accepts reads"),
    ]


def test_a_restart_in_place_is_told_from_a_failover() -> None:
    assert told("postgresql-restarted-in-place.log")[:3] == [
        ("noticed", "found its PostgreSQL dead"),
        ("restarted", "starts its PostgreSQL as primary again"),
        ("ready", "accepts writes"),
    ]


def test_a_standby_takes_over_when_the_lease_ran_out() -> None:
    assert told("postgresql-took-over.log")[:6] == [
        ("noticed", "looks for a successor: database-b-1 answers"),
        ("noticed", "looks for a successor: database-a-1 does not answer"),
        ("promoted", "took the lease and promotes itself"),
        ("promoted", "PostgreSQL was told to become primary"),
        ("promoted", "opens timeline 2"),
        ("ready", "accepts writes"),
    ]


def test_a_former_primary_demotes_itself_is_rewound_and_joins() -> None:
    story = told("postgresql-thawed-and-rewound.log")
    assert story[0] == ("demoted", "gives up its role (immediate-nolock)")
    assert ("restarted", "rewinds to database-c-1") in story
    assert story[-2:] == [("ready", "accepts reads"), ("rejoined", "streams timeline 2")]


def test_heartbeats_and_retries_explain_nothing() -> None:
    engine = registry.engine("postgresql")
    for line in (
        "2026-11-23 21:53:30,732 INFO: no action. I am (db-a-1), a secondary, and following a leader (db-c-1)",
        "2026-11-23 21:53:05.835 UTC [272] LOG:  waiting for WAL to become available at 0/4021760",
        "",
    ):
        assert engine.event(line) is None
