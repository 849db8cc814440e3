from __future__ import annotations

import socket
import urllib.request

import pytest

from bascule.cluster.agent.metrics import serve
from bascule.cluster.agent.status import GroupStatus, Status
from bascule.cluster.facts import StoreLost
from bascule.kernel.errors import ClusterError, InputError, MachineError

NOW = Status(
    agent="a",
    cluster="c",
    session="s",
    waits_for="",
    valid_s=0.4,
    store="memory",
    store_lost_s=None,
    store_why="",
    watching=True,
    paused="",
    clock_sound=True,
    stopping=False,
    ttl_s=0.5,
    groups=(
        GroupStatus(
            group="edge",
            holder="a",
            holder_alive=True,
            serving=True,
            waits_for="",
            token=7,
            phase="active",
            eligible=True,
            why_not="",
            lag_bytes=None,
            next=(),
            candidates={},
        ),
    ),
    peers=(),
)


def scrape(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_a_scrape_says_who_is_in_charge_and_counts_facts() -> None:
    address = free_address()
    hear, end = serve(address, lambda: NOW)
    try:
        hear(StoreLost(at_s=1.0, agent="a", why="refused"))
        text = scrape(address)
    finally:
        end()
    assert 'bascule_group_active{group="edge"} 1.0' in text
    assert 'bascule_group_token{group="edge"} 7.0' in text
    assert 'bascule_group_served{group="edge"} 1.0' in text
    assert "bascule_paused 0.0" in text
    assert "bascule_clock_sound 1.0" in text
    assert "bascule_store_up 1.0" in text
    assert "bascule_lease_valid_seconds 0.4" in text
    assert 'fact="StoreLost"' in text


def test_an_agent_that_does_not_run_yet_has_nothing_to_say() -> None:
    def nothing() -> Status:
        raise ClusterError("not yet")

    address = free_address()
    _, end = serve(address, nothing)
    try:
        assert "bascule_store_up" not in scrape(address)
        with pytest.raises(MachineError):
            serve(address, nothing)
    finally:
        end()


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(InputError):
        serve("everywhere", lambda: NOW)
