"""The store on a real etcd: members that are frozen, killed or alone; TLS; few connections."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import Coroutine, Iterator
from pathlib import Path

import httpx
import pytest
from tests.contract.cluster_stores import on_etcd
from tests.contract.cluster_stores.on_etcd import Etcd
from tests.contract.cluster_stores.processes import Process, free_port, password_file
from tests.contract.cluster_stores.promises import SLACK_S, Watched, values
from tests.real.cluster.authority import Authority
from tests.real.cluster.store_quorums import EtcdQuorum, settled

from bascule.cluster.stores.etcd import EtcdStore, Options, make
from bascule.cluster.stores.web import MOST_IDLE
from bascule.kernel.errors import StoreError

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(Etcd.missing()), reason=f"the store etcd needs {Etcd.missing()}"),
]
LIMIT_S = 1.5
KEY = "bascule/test/a"


@pytest.fixture
def quorum(tmp_path: Path) -> Iterator[EtcdQuorum]:
    quorum = EtcdQuorum(tmp_path)
    try:
        quorum.start()
        yield quorum
    finally:
        quorum.stop()


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


def store_on(urls: list[str], timeout_s: float = LIMIT_S) -> EtcdStore:
    return make(Options(endpoints=tuple(urls)), timeout_s)


async def in_time(call: Coroutine[None, None, object]) -> object:
    return await asyncio.wait_for(call, LIMIT_S + SLACK_S)


@pytest.mark.parametrize("fault", ["freeze", "kill"])
@pytest.mark.parametrize("whom", ["the leader", "a follower"])
def test_the_store_goes_on_without_the_member_that_it_asked(quorum: EtcdQuorum, fault: str, whom: str) -> None:
    """A renewal through a lost follower succeeds within its own limit; a lost leader is replaced first."""
    leader = quorum.leader()
    gone = leader if whom == "the leader" else (leader + 1) % 3

    async def body() -> None:
        store = store_on(quorum.urls[gone:] + quorum.urls[:gone])
        revision = await settled(store, KEY)
        getattr(quorum.members[gone], fault)()
        if whom == "a follower":
            renewed = await in_time(store.swap(KEY, b"renewed", revision))
            assert isinstance(renewed, int)
            assert renewed > revision
        after = await settled(store, KEY)
        assert after > revision
        for number in range(5):
            renewed = await in_time(store.swap(KEY, b"%d" % number, after))
            assert isinstance(renewed, int)
            after = renewed
        assert await values(store, KEY) == {KEY: b"4"}
        await store.close()

    run(body())


def test_a_member_without_a_quorum_is_told_in_time_and_ends_its_watches(quorum: EtcdQuorum) -> None:
    async def body() -> None:
        store = store_on(quorum.urls)
        await settled(store, KEY)
        watched = Watched(store, "bascule/test/")
        await watched.begin(store)
        for member in quorum.members[1:]:
            member.freeze()
        with pytest.raises(StoreError):
            await in_time(store.read(KEY))
        with pytest.raises(StoreError):
            await in_time(store.swap(KEY, b"alone", 0))
        await asyncio.wait({watched.task})
        assert isinstance(watched.task.exception(), StoreError)
        for member in quorum.members[1:]:
            member.thaw()
        await settled(store, KEY)
        await store.close()

    run(body())


def test_a_late_first_try_changes_nothing_that_the_second_one_did(quorum: EtcdQuorum) -> None:
    """The frozen member has the swap in its socket; once it goes on, the comparison fails."""
    follower = (quorum.leader() + 1) % 3

    async def body() -> None:
        store = store_on(quorum.urls[follower:] + quorum.urls[:follower])
        revision = await settled(store, KEY)
        quorum.members[follower].freeze()
        renewed = await in_time(store.swap(KEY, b"first", revision))
        assert isinstance(renewed, int)
        again = await in_time(store.swap(KEY, b"second", renewed))
        quorum.members[follower].thaw()
        through_the_late_one = store_on([quorum.urls[follower]])
        await settled(through_the_late_one, "bascule/test/other")
        (entry,) = await through_the_late_one.read(KEY)
        assert (entry.value, entry.revision) == (b"second", again)
        await through_the_late_one.close()
        await store.close()

    run(body())


class Turnstile:
    """Counts the connections that go through it to a server."""

    def __init__(self, port: int) -> None:
        self.count = 0
        self._port = port
        self._inside: set[asyncio.Task[None] | None] = set()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count += 1
        self._inside.add(asyncio.current_task())
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pass(reader, ours), self._pass(theirs, writer))

    async def empty(self) -> None:
        """Wait until everybody has left."""
        await asyncio.wait([task for task in self._inside if task])


def test_calls_share_a_warm_connection(tmp_path: Path) -> None:
    etcd = Etcd(tmp_path)
    etcd.start()
    try:

        async def body() -> None:
            turnstile = Turnstile(int(etcd.url.rpartition(":")[2]))
            async with await asyncio.start_server(turnstile.enter, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                file = password_file(tmp_path, on_etcd.PASSWORD)
                store = make(Options(endpoints=(f"http://127.0.0.1:{port}",), user="root", password_file=file), 10)
                revision = await store.swap(KEY, b"0", 0)
                for _ in range(50):
                    assert revision is not None
                    revision = await store.swap(KEY, b"0", revision)
                    await store.read(KEY)
                assert turnstile.count == 1
                await store.close()
                await turnstile.empty()

        run(body())
    finally:
        etcd.stop()


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_calls_that_are_cancelled_use_up_no_connections(tmp_path: Path) -> None:
    """A hedge cancels the slower try; that must not cost a connection each time."""
    etcd = Etcd(tmp_path)
    etcd.start()
    try:

        async def body() -> None:
            store = etcd.store()
            await settled(store, KEY)
            before = descriptors()
            for number in range(1000):
                calls = [asyncio.create_task(store.read(KEY)) for _ in range(3)]
                await asyncio.wait(calls, timeout=number % 60 * 0.0001)
                for call in calls:
                    call.cancel()
                await asyncio.wait(calls)
            assert await values(store, KEY) == {KEY: b"settled"}
            assert descriptors() - before <= MOST_IDLE + 3, "three may still be under way"
            await store.close()

        run(body())
    finally:
        etcd.stop()


def test_who_lost_his_token_logs_in_anew_and_who_may_not_is_told(tmp_path: Path) -> None:
    etcd = Etcd(tmp_path)
    etcd.start()
    try:

        async def body() -> None:
            store = etcd.store()
            assert isinstance(store, EtcdStore)
            revision = await store.swap(KEY, b"0", 0)
            assert revision is not None
            store._token = "stale.1"
            assert await store.swap(KEY, b"1", revision) is not None
            store._token = "stale.2"
            watched = Watched(store, "bascule/test/")
            other = etcd.store()
            await watched.begin(other)
            await watched.end()
            await other.close()
            await store.close()
            nobody = store_on([etcd.url])
            with pytest.raises(StoreError, match="demands authentication"):
                await nobody.read(KEY)
            await nobody.close()
            with pytest.raises(StoreError, match="permission denied") as told:
                await (stranger := etcd.store()).read("somebody-else/")
            assert "grant" in told.value.hint
            await stranger.close()

        run(body())
    finally:
        etcd.stop()


@contextlib.contextmanager
def etcd_with(directory: Path, authority: Authority, cert_file: str, key_file: str) -> Iterator[str]:
    """A member that talks TLS with this certificate, to whoever has one of the authority."""
    url = f"https://127.0.0.1:{free_port()}"
    argv = on_etcd.arguments(directory, "one", url, {"one": f"http://127.0.0.1:{free_port()}"})
    argv += [f"--cert-file={cert_file}", f"--key-file={key_file}", f"--trusted-ca-file={authority.ca_file}"]
    argv += ["--client-cert-auth"]
    context = ssl.create_default_context(cafile=authority.ca_file)
    context.load_cert_chain(*authority.issue("probe", days=1))
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def is_healthy() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{url}/health", verify=context, trust_env=False).status_code == 200
        return False

    process = Process([on_etcd.program(), *argv], directory / "etcd.log", is_healthy)
    try:
        process.start()
        yield url
    finally:
        process.kill()


def test_tls_with_certificates_on_both_sides_and_with_expired_ones(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ours, our_key = authority.issue("agent", days=1)
    with etcd_with(tmp_path, authority, *authority.issue("server", days=1)) as url:

        async def body() -> None:
            good = Options(endpoints=(url,), ca_file=authority.ca_file, cert_file=ours, key_file=our_key)
            store = make(good, 10)
            assert await store.swap(KEY, b"0", 0) is not None
            await store.close()
            stranger = make(Options(endpoints=(url,), cert_file=ours, key_file=our_key), 10)
            with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.read(KEY)
            await stranger.close()
            late, late_key = authority.issue("late", days=-1)
            expired = make(Options(endpoints=(url,), ca_file=authority.ca_file, cert_file=late, key_file=late_key), 10)
            with pytest.raises(StoreError, match=r"(?i)certificate"):
                await expired.read(KEY)
            for old, new in ((late, ours), (late_key, our_key)):
                shutil.copyfile(new, old)
            with contextlib.suppress(StoreError):  # the failure by which it finds that the files were replaced
                await expired.read(KEY)
            assert await expired.read(KEY) != ()
            await expired.close()

        run(body())


def test_an_expired_certificate_of_the_server_is_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ours, our_key = authority.issue("agent", days=1)
    with etcd_with(tmp_path, authority, *authority.issue("server", days=-1)) as url:

        async def body() -> None:
            options = Options(endpoints=(url,), ca_file=authority.ca_file, cert_file=ours, key_file=our_key)
            store = make(options, 10)
            with pytest.raises(StoreError, match="certificate has expired") as told:
                await store.read(KEY)
            assert "certificates" in told.value.hint
            await store.close()

        run(body())
