"""What is Kubernetes' own, held against a stand-in for its API server, since a real one cannot be had here."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.contract.cluster_stores.kubernetes_stand_in import LEASES
from tests.contract.cluster_stores.on_kubernetes import TOKEN, Kubernetes
from tests.contract.cluster_stores.promises import SLACK_S, Watched, only, put, values

from bascule.cluster.stores.kubernetes_objects import KEY as KEY_NOTE
from bascule.cluster.stores.kubernetes_objects import name_of
from bascule.kernel.errors import StoreError

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(Kubernetes.missing()), reason=f"the store kubernetes needs {Kubernetes.missing()}"),
]
KEY = "bascule/prod/groups/web"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Kubernetes]:
    server = Kubernetes(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


def lease(server: Kubernetes, key: str = KEY) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx.get(f"{server.url}{LEASES}/{name_of(key)}", headers=headers, trust_env=False)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def requests(server: Kubernetes, **order: Any) -> int:
    count: int = server.tell(**order).json()["requests"]
    return count


def test_people_see_whose_it_is_since_when_and_how_often_that_changed(server: Kubernetes) -> None:
    async def body() -> None:
        store = server.store()
        await put(store, KEY, b'{"holder":"a","ttl_s":2.5}')
        first = lease(server)
        assert first["metadata"]["labels"]["bascule/cluster"] == "prod"
        assert first["metadata"]["annotations"][KEY_NOTE] == KEY
        assert first["spec"]["holderIdentity"] == "a"
        assert first["spec"]["leaseDurationSeconds"] == 3
        assert first["spec"]["leaseTransitions"] == 0
        await put(store, KEY, b'{"holder":"a","ttl_s":2.5,"more":1}')
        renewed = lease(server)["spec"]
        assert renewed["acquireTime"] == first["spec"]["acquireTime"]
        assert datetime.fromisoformat(renewed["renewTime"]) > datetime.fromisoformat(first["spec"]["renewTime"])
        await put(store, KEY, b'{"holder":"b"}')
        taken = lease(server)["spec"]
        assert (taken["holderIdentity"], taken["leaseTransitions"]) == ("b", 1)
        assert taken["acquireTime"] > first["spec"]["acquireTime"]
        assert "leaseDurationSeconds" not in taken
        await put(store, KEY, b'{"holder":""}')
        assert lease(server)["spec"] == {"leaseTransitions": 1}
        await put(store, KEY, b"no json")
        assert lease(server)["spec"] == {}
        await store.close()

    run(body())


def test_a_renewal_is_one_request(server: Kubernetes) -> None:
    async def body() -> None:
        store = server.store()
        revision = await put(store, KEY, b"0")
        before = requests(server)
        for number in range(10):
            renewed = await store.swap(KEY, b"%d" % number, revision)
            assert renewed is not None
            revision = renewed
        assert requests(server) - before == 10
        await store.close()

    run(body())


def test_a_strangers_change_of_the_object_is_no_other_revision(server: Kubernetes) -> None:
    async def body() -> None:
        store = server.store()
        revision = await put(store, KEY, b"0")
        server.tell(touch=name_of(KEY))
        assert await store.swap(KEY, b"1", revision) == revision + 1
        assert lease(server)["metadata"]["annotations"]["stranger"] == "was here"
        await store.close()

    run(body())


def test_an_object_that_is_no_register_is_passed_over_and_told(server: Kubernetes) -> None:
    async def body() -> None:
        store = server.store()
        await put(store, KEY, b"0")
        server.tell(touch=name_of(KEY), strip=[KEY_NOTE])
        assert await store.read("bascule/prod/") == ()
        with pytest.raises(StoreError, match="is no register"):
            await store.swap(KEY, b"1", 0)
        await store.close()

    run(body())


def test_what_was_removed_is_not_made_anew_by_a_late_renewal(server: Kubernetes) -> None:
    """A PUT makes a Lease that is not there, unless it names the one that it replaces."""

    async def body() -> None:
        store = server.store()
        revision = await put(store, KEY, b"0")
        await server.remove(store, KEY)
        assert await store.swap(KEY, b"1", revision) is None
        assert await store.read("bascule/prod/") == ()
        await store.close()

    run(body())


def test_throttling_is_waited_for_within_the_limit(server: Kubernetes) -> None:
    async def body() -> None:
        store = server.store()
        revision = await put(store, KEY, b"0")
        server.tell(throttle=2, retry_after="0")
        assert await store.swap(KEY, b"1", revision) == revision + 1
        await store.close()
        hurried = server.store(timeout_s=0.5)
        server.tell(throttle=100, retry_after="30")
        with pytest.raises(StoreError, match="no answer within"):
            await asyncio.wait_for(hurried.read(KEY), 0.5 + SLACK_S)
        server.tell(throttle=0)
        assert await values(hurried, KEY) == {KEY: b"1"}
        await hurried.close()

    run(body())


def test_a_watch_goes_on_where_the_server_forgot(server: Kubernetes) -> None:
    async def body() -> None:
        store, writer = server.store(), server.store()
        watched = Watched(store, "bascule/prod/")
        await watched.begin(writer)
        await put(writer, KEY, b"before")
        while KEY not in watched.seen:
            watched.fail_if_ended()
            await asyncio.sleep(0.01)
        server.tell(forget=True)
        await put(writer, KEY, b"after")
        while watched.seen[KEY].value != b"after":
            watched.fail_if_ended()
            await asyncio.sleep(0.01)
        await watched.end()
        await store.close()
        await writer.close()

    run(body())


def test_a_token_that_was_rotated_is_read_anew(server: Kubernetes) -> None:
    async def body() -> None:
        store = server.store()
        revision = await put(store, KEY, b"0")
        server.rotate("another-token")
        assert await store.swap(KEY, b"1", revision) == revision + 1
        await store.close()

    run(body())


def test_what_is_forbidden_is_told_with_what_to_grant(server: Kubernetes) -> None:
    async def body() -> None:
        store = server.store()
        await put(store, KEY, b"0")
        assert await only(store, KEY) is not None
        store._path = store._path.replace("/bascule/", "/kube-system/")  # type: ignore[attr-defined]  # of this store
        with pytest.raises(StoreError, match="forbidden") as told:
            await store.read(KEY)
        assert "create and update on leases" in told.value.hint
        await store.close()

    run(body())
