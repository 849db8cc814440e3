from __future__ import annotations

import json

import pytest

from bascule.engines.postgresql import observe

PRIMARY = {
    "state": "running",
    "role": "primary",
    "timeline": 3,
    "xlog": {"location": 83886080},
    "tags": {"synchronous_cluster": True},
    "dcs_last_seen": 1795470287,
}
REPLICA = {
    "state": "running",
    "role": "replica",
    "timeline": 3,
    "replication_state": "streaming",
    "sync_standby": True,
    "xlog": {
        "received_location": 83886080,
        "replayed_location": 83886000,
        "replayed_timestamp": "2026-11-23 21:52:58+00:00",
        "paused": False,
    },
    "tags": {"synchronous_cluster": True},
}


def judged(document: dict[str, object], **changes: object) -> tuple[bool, str, bool]:
    seen = observe.judge(json.dumps({**document, **changes}).encode())
    return seen.up, seen.role, seen.whole


def test_a_primary_with_its_lease_is_whole() -> None:
    seen = observe.judge(json.dumps(PRIMARY).encode())
    assert (seen.up, seen.role, seen.epoch, seen.whole) == (True, "primary", 3, True)


def test_a_primary_without_a_lease_is_not_whole() -> None:
    assert judged(PRIMARY, cluster_unlocked=True) == (True, "primary", False)


def test_a_streaming_synchronous_standby_is_whole_and_says_how_far_behind_it_is() -> None:
    seen = observe.judge(json.dumps(REPLICA).encode())
    assert (seen.up, seen.role, seen.whole, seen.lag_bytes) == (True, "replica", True, 80)


@pytest.mark.parametrize(
    "changes",
    [
        {"replication_state": "in archive recovery"},
        {"replication_state": None},
        {"sync_standby": False},
        {"xlog": {"received_location": 83886080, "replayed_location": 1}},
        {"xlog": {}},
    ],
)
def test_a_standby_that_could_not_take_over_is_not_whole(changes: dict[str, object]) -> None:
    assert judged(REPLICA, **changes) == (True, "replica", False)


def test_an_asynchronous_cluster_asks_no_standby_to_be_synchronous() -> None:
    assert judged(REPLICA, sync_standby=False, tags={"synchronous_cluster": False}) == (True, "replica", True)


@pytest.mark.parametrize("state", ["starting", "stopped", "crashed", "unknown", "initializing new cluster"])
def test_a_server_that_does_not_run_is_down(state: str) -> None:
    assert judged(PRIMARY, state=state) == (False, "unknown", False)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"state": 3}', b"\xff"])
def test_nonsense_is_down(body: bytes) -> None:
    assert not observe.judge(body).up
