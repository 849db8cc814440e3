"""What becomes of the cart when the store of its sessions does not answer: `pytest examples/cart`."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from bascule.testing.breakable import BreakableLab

pytestmark = pytest.mark.drill(system="system.yaml")
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(lab: BreakableLab) -> Ask:
    """Makes requests to the cart, through the lab's network."""
    host, port = lab.address("cart")

    def request(method: str, path: str, timeout_s: float = 5.0) -> dict[str, Any]:
        asked = urllib.request.Request(f"http://{host}:{port}{path}", method=method)
        with urllib.request.urlopen(asked, timeout=timeout_s) as answer:  # noqa: S310 - always http
            found: dict[str, Any] = json.load(answer)
        return found

    return request


def test_a_frozen_store_does_not_freeze_the_cart(lab: BreakableLab, ask: Ask) -> None:
    ask("POST", "/carts/ann/1")
    assert ask("GET", "/carts/ann") == {"numbers": [1], "stale": False}
    (store,) = lab.members("sessions")
    with lab.fault("process-freeze", member=store):
        assert ask("GET", "/carts/ann") == {"numbers": [1], "stale": True}
    until_s = time.monotonic() + 10
    while ask("GET", "/carts/ann")["stale"]:
        assert time.monotonic() < until_s, "still stale"


def test_what_was_not_stored_is_not_acknowledged(lab: BreakableLab, ask: Ask) -> None:
    (store,) = lab.members("sessions")
    with lab.fault("process-kill", member=store), pytest.raises(urllib.error.HTTPError) as refused:
        ask("POST", "/carts/bob/1")
    with refused.value as answer:
        assert answer.code == 503
