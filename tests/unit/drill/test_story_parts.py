"""The services of the stories: all that they keep can be asked for, and who is too many is turned away."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bascule.drill.stories.parts import ledger, web, worker

NUMBERS = range(10**15, 10**15 + 20_000)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_KEPT", {"outside": set(NUMBERS)})


@contextmanager
def served(pages: type[web.Page]) -> Iterator[str]:
    """The address at which these pages are served."""
    with web.Server(("127.0.0.1", 0), pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.usefixtures("kept")
def test_all_that_is_kept_is_told() -> None:
    with served(ledger.Ledger) as address:
        status, body = web.ask(address, "/notes/outside", timeout_s=30.0)
    assert status == 200
    assert json.loads(body) == {"numbers": list(NUMBERS)}


@pytest.mark.usefixtures("kept")
def test_who_is_too_many_is_turned_away_and_what_is_kept_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_WAITING", threading.BoundedSemaphore(1))
    with served(worker.Worker) as address:
        statuses = [web.ask(address, f"/notes/pinned/{number}", data=b"", timeout_s=30.0)[0] for number in (1, 2)]
        worker._WAITING.acquire()
        statuses.append(web.ask(address, "/notes/pinned/3", data=b"", timeout_s=30.0)[0])
        told = json.loads(web.ask(address, "/notes/pinned", timeout_s=30.0)[1])
    assert statuses == [200, 200, web.BUSY]
    assert told == {"numbers": [1, 2]}
