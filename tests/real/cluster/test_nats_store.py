"""The store on a real NATS: a quorum that loses servers, replicas that lag, buckets that are not safe."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import structs
from tests.contract.cluster_stores.on_nats import OPERATORS, Nats
from tests.contract.cluster_stores.promises import SLACK_S, Watched, values
from tests.real.cluster.store_quorums import NatsQuorum, settled

from bascule.cluster.stores import nats_messages as messages
from bascule.cluster.stores.nats import NatsStore, Options, make
from bascule.cluster.stores.nats_link import Connection, Found
from bascule.kernel.errors import StoreError

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(Nats.missing()), reason=f"the store nats needs {Nats.missing()}"),
]
LIMIT_S = 1.5
KEY = "bascule/test/a"


@pytest.fixture
def quorum(tmp_path: Path) -> Iterator[NatsQuorum]:
    quorum = NatsQuorum(tmp_path)
    try:
        quorum.start()
        yield quorum
    finally:
        quorum.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Nats]:
    server = Nats(tmp_path, OPERATORS)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 90))


def store_on(urls: list[str]) -> NatsStore:
    return make(Options(servers=tuple(urls), replicas=3, create=True), LIMIT_S)


async def in_time(call: Coroutine[None, None, object]) -> object:
    return await asyncio.wait_for(call, LIMIT_S + SLACK_S)


@pytest.mark.parametrize("fault", ["freeze", "kill"])
def test_the_store_goes_on_without_the_server_that_it_asked(quorum: NatsQuorum, fault: str) -> None:
    async def body() -> None:
        store = store_on(quorum.urls)
        revision = await settled(store, KEY)
        getattr(quorum.members[0], fault)()
        after = await settled(store, KEY)
        assert after > revision
        renewed = await settled(store, KEY)
        assert renewed > after
        assert await values(store, KEY) == {KEY: b"settled"}
        await store.close()

    run(body())


def test_a_server_without_a_quorum_is_told_in_time(quorum: NatsQuorum) -> None:
    async def body() -> None:
        store = store_on(quorum.urls)
        revision = await settled(store, KEY)
        for member in quorum.members[1:]:
            member.freeze()
        with pytest.raises(StoreError):
            await in_time(store.read(KEY))
        with pytest.raises(StoreError):
            await in_time(store.swap(KEY, b"alone", revision))
        for member in quorum.members[1:]:
            member.thaw()
        await settled(store, KEY)
        await store.close()

    run(body())


def test_a_replica_that_lags_is_asked_again(server: Nats, monkeypatch: pytest.MonkeyPatch) -> None:
    """A direct get may be answered by a replica that lags: here by one that is three reads behind."""
    real = Connection.last
    answers: list[list[Found]] = []

    async def lagging(connection: Connection, stream: str, filters: list[str]) -> list[Found]:
        answers.append(await real(connection, stream, filters))
        return answers[max(0, len(answers) - 4)]

    async def body() -> None:
        store, writer = server.store(), server.store()
        revision = await settled(writer, KEY)
        await store.read(KEY)
        monkeypatch.setattr(Connection, "last", lagging)
        await store.read(KEY)
        assert await writer.swap(KEY, b"new", revision) is not None
        assert await values(store, KEY) == {KEY: b"new"}
        assert len(answers) > 3
        await store.close()
        await writer.close()

    run(body())


async def bucket(store: NatsStore, **changes: object) -> None:
    """Make the bucket past the store, as somebody else might have."""
    link = store._links[0]

    async def nothing(_: Connection) -> None:
        """Look at no bucket."""

    prepare, link._prepare = link._prepare, nothing
    connection = await link.ready()
    subjects = store._subjects
    body = msgspec.json.decode(messages.bucket(subjects.stream, subjects.all, replicas=1, first=1)) | changes
    reply = await connection.request(f"$JS.API.STREAM.CREATE.{subjects.stream}", msgspec.json.encode(body))
    assert reply.error is None
    await link.close()
    link._prepare = prepare


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"max_age": 60_000_000_000}, "max_age"),
        ({"discard": "old", "max_bytes": 1_000_000}, "discard"),
        ({"allow_direct": False}, "allow_direct"),
    ],
)
def test_a_bucket_that_forgets_is_refused(server: Nats, changes: dict[str, object], why: str) -> None:
    async def body() -> None:
        store = server.store()
        assert isinstance(store, NatsStore)
        await bucket(store, **changes)
        with pytest.raises(StoreError, match=why):
            await store.read(KEY)
        await store.close()

    run(body())


def test_fewer_replicas_than_asked_for_are_refused_and_so_is_no_bucket_at_all(server: Nats) -> None:
    async def body() -> None:
        absent = make(structs.replace(server.options, create=False), LIMIT_S)
        with pytest.raises(StoreError, match="create = true"):
            await absent.read(KEY)
        await absent.close()
        store = server.store()
        await settled(store, KEY)
        await store.close()
        greedy = make(structs.replace(server.options, replicas=3), LIMIT_S)
        with pytest.raises(StoreError, match="1 replicas, not 3"):
            await greedy.read(KEY)
        await greedy.close()

    run(body())


def test_a_bucket_that_replaces_a_lost_one_begins_above_it(server: Nats) -> None:
    async def body() -> None:
        store = server.store()
        assert isinstance(store, NatsStore)
        revision = await settled(store, KEY)
        connection = await store._links[0].ready()
        reply = await connection.request("$JS.API.STREAM.DELETE.KV_bascule", b"")
        assert reply.error is None
        with pytest.raises(StoreError):
            await store.swap(KEY, b"lost", revision)
        await store.close()
        store = server.store()
        assert await settled(store, KEY) > revision
        await store.close()

    run(body())


def test_a_watch_that_loses_its_consumer_is_told(server: Nats) -> None:
    async def body() -> None:
        store = server.store()
        assert isinstance(store, NatsStore)
        watched = Watched(store, "bascule/test/")
        await watched.begin(store)
        connection = await store._links[0].ready()
        listed = await connection.client.request("$JS.API.CONSUMER.NAMES.KV_bascule", b"", timeout=5)
        (name,) = msgspec.json.decode(listed.data)["consumers"]
        await connection.request(f"$JS.API.CONSUMER.DELETE.KV_bascule.{name}", b"")
        await asyncio.wait({watched.task})
        assert isinstance(watched.task.exception(), StoreError)
        await store.close()

    run(body())


def test_what_is_not_permitted_is_told(tmp_path: Path) -> None:
    denied = Nats(tmp_path, '{ publish: ["$JS.API.STREAM.INFO.KV_bascule", "$JS.API.STREAM.CREATE.KV_bascule"] }')
    denied.start()
    try:

        async def body() -> None:
            store = denied.store()
            with pytest.raises(StoreError, match=r"(?i)permissions violation"):
                await store.read(KEY)
            with pytest.raises(StoreError, match=r"(?i)permissions violation"):
                await store.swap(KEY, b"", 0)
            await store.close()

        run(body())
    finally:
        denied.stop()
