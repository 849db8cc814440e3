"""Leases in a real PostgreSQL: what a failover, a missing standby, a pooler and a lack of privileges do to them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec import structs
from tests.real.cluster.daemons import Daemon, free_port, need, wait_until
from tests.real.cluster.postgresql_server import PASSWORD, PostgresqlServer, running

from bascule.cluster.stores.port import Entry
from bascule.cluster.stores.postgresql import Options, PostgresqlStore, make, schema
from bascule.cluster.stores.postgresql_link import MOST_LEFT
from bascule.kernel.errors import StoreError
from bascule.kernel.quantities import Duration

pytestmark = pytest.mark.real
DEADLINE_S = 60.0
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bascule'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    with running(tmp_path_factory.mktemp("postgresql")) as one:
        yield one


@pytest.fixture
def place(server: PostgresqlServer) -> PostgresqlServer:
    server.sql("DROP TABLE IF EXISTS bascule_leases")
    return server


def options(*servers: PostgresqlServer, **others: Any) -> Options:
    hosts = tuple(f"127.0.0.1:{one.port}" for one in servers)
    return Options(**{"hosts": hosts, "database": "postgres", "user": "app", **others})


@contextlib.asynccontextmanager
async def opened(chosen: Options, timeout_s: float = 10.0) -> AsyncIterator[PostgresqlStore]:
    store = make(chosen, timeout_s)
    try:
        yield store
    finally:
        await store.close()


def hold(use: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(use(), DEADLINE_S))


async def until_swapped(store: PostgresqlStore, key: str, value: bytes) -> int:
    """Write, whatever is there, once the store can."""
    while True:
        try:
            there = {entry.key: entry.revision for entry in await store.read(key)}
            if revision := await store.swap(key, value, there.get(key, 0)):
                return revision
        except StoreError:
            await asyncio.sleep(0.05)


async def changed(server: PostgresqlServer, name: str, value: str) -> None:
    await asyncio.to_thread(server.configure, name, value)


async def shown(server: PostgresqlServer, query: str) -> None:
    await asyncio.to_thread(wait_until, lambda: bool(server.sql(query)), query)


def test_a_failover_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """The primary is killed while swaps go on; the synchronous standby is promoted; revisions go on above."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    told: list[int] = []

    async def use(primary: PostgresqlServer, standby: PostgresqlServer) -> None:
        async with opened(options(standby, primary, replication="synchronous"), 1.0) as store:
            assert (await store.promises()).startswith("kept: ")
            told.append(await until_swapped(store, "a", b"0"))

            async def go_on() -> None:
                for number in range(1, 10_000):
                    revision = await store.swap("a", b"%d" % number, told[-1])
                    assert revision is not None
                    told.append(revision)

            swapping = asyncio.ensure_future(go_on())
            await asyncio.wait([swapping], timeout=0.2)
            assert len(told) > 1
            await asyncio.to_thread(primary.stop)
            with pytest.raises(StoreError):
                await swapping
            with pytest.raises(StoreError, match="no server takes writes"):
                await store.read("")
            await asyncio.to_thread(standby.promote)
            await changed(standby, "synchronous_standby_names", "")
            async with opened(options(primary, standby), 1.0) as other:
                (entry,) = await other.read("a")
                assert entry.revision >= told[-1], "what was acknowledged is there"
                after = await other.swap("a", b"after", entry.revision)
                assert after is not None
                assert after > entry.revision

    with running(tmp_path / "one", {"fsync": "on"}) as primary:
        standby = primary.standby(tmp_path / "other", "second")
        standby.start()
        try:
            primary.configure("synchronous_standby_names", "second")
            hold(lambda: use(primary, standby))
        finally:
            standby.stop()


def test_a_missing_standby_holds_no_call_and_few_connections(place: PostgresqlServer) -> None:
    async def use() -> None:
        async with opened(options(place), 0.2) as store:
            first = await until_swapped(store, "a", b"one")
            await asyncio.to_thread(place.strand)
            for _ in range(3 * MOST_LEFT):
                begun_s = time.monotonic()
                with pytest.raises(StoreError):
                    await store.swap("a", b"two", first)
                with pytest.raises(StoreError):
                    await store.read("")  # a read waits until what it saw is on a standby
                assert time.monotonic() - begun_s < 5.0
            ((count,),) = await asyncio.to_thread(place.sql, OURS)
            assert count <= MOST_LEFT + 1
            with pytest.raises(StoreError, match=f"{MOST_LEFT} earlier calls have no answer yet"):
                await store.read("")
            await changed(place, "synchronous_standby_names", "")
            assert await until_swapped(store, "a", b"three") > first

    try:
        hold(use)
    finally:
        place.configure("synchronous_standby_names", "")


def test_a_cancelled_wait_for_a_standby_is_no_success(place: PostgresqlServer) -> None:
    """The server says that the statement was carried out; that it is on no standby is only a warning."""

    async def use() -> None:
        async with opened(options(place), 20.0) as store:
            await until_swapped(store, "a", b"one")
            await asyncio.to_thread(place.strand)
            swapping = asyncio.ensure_future(store.swap("b", b"two", 0))
            await shown(place, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
            with pytest.raises(StoreError, match="synchronous replication"):
                await swapping

    try:
        hold(use)
    finally:
        place.configure("synchronous_standby_names", "")


def test_a_server_that_ceases_to_be_synchronous_is_refused(place: PostgresqlServer) -> None:
    async def use() -> None:
        async with opened(options(place, replication="synchronous"), 20.0) as store:
            for call in (store.read("a"), store.swap("a", b"", 0)):
                with pytest.raises(StoreError, match="synchronous_standby_names is empty"):
                    await call
            assert not await asyncio.to_thread(place.sql, "SELECT * FROM bascule_leases"), "and nothing was written"
            await asyncio.to_thread(place.strand)
            swapping = asyncio.ensure_future(store.swap("a", b"", 0))
            await shown(place, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
            await changed(place, "synchronous_standby_names", "")  # lets every waiting commit through
            with pytest.raises(StoreError, match="synchronous_standby_names is empty"):
                await swapping

    try:
        hold(use)
    finally:
        place.configure("synchronous_standby_names", "")


def test_it_says_what_an_acknowledgement_is_worth(place: PostgresqlServer) -> None:
    async def use() -> None:
        async with opened(options(place)) as store:
            assert (await store.promises()).startswith("not kept: fsync is off")
            await changed(place, "fsync", "on")
            assert (await store.promises()).startswith("kept by this server alone: synchronous_standby_names is empty")
            await changed(place, "full_page_writes", "off")
            assert (await store.promises()).startswith("not kept: full_page_writes is off")

    try:
        hold(use)
    finally:
        place.configure("full_page_writes", "on")
        place.configure("fsync", "off")


def test_a_commit_is_synchronous_whatever_the_role_prefers(place: PostgresqlServer) -> None:
    """A role whose default is an asynchronous commit would not wait for the standby, and be told of success."""

    async def use() -> None:
        async with opened(options(place), 0.3) as store:
            first = await until_swapped(store, "a", b"one")
            await asyncio.to_thread(place.strand)
            with pytest.raises(StoreError):
                await store.swap("a", b"two", first)

    place.sql("ALTER ROLE app SET synchronous_commit = off")
    try:
        hold(use)
    finally:
        place.configure("synchronous_standby_names", "")
        place.sql("ALTER ROLE app RESET synchronous_commit")


def test_agents_that_start_together_make_one_table(place: PostgresqlServer) -> None:
    async def start(number: int) -> int | None:
        async with opened(options(place)) as store:
            return await store.swap("a", b"%d" % number, 0)

    async def use() -> None:
        revisions = await asyncio.gather(*(start(number) for number in range(8)))
        assert len([one for one in revisions if one]) == 1

    hold(use)


def test_a_table_that_replaces_a_lost_one_goes_on_above_it(place: PostgresqlServer) -> None:
    async def use() -> None:
        async with opened(options(place)) as store:
            first = await until_swapped(store, "a", b"")
            await asyncio.to_thread(place.sql, "DROP TABLE bascule_leases")
            with pytest.raises(StoreError, match="does not exist"):
                await store.read("")
            assert await until_swapped(store, "a", b"") > first

    hold(use)


@pytest.fixture
def poor(place: PostgresqlServer, tmp_path: Path) -> Options:
    """A role that may make no table."""
    place.sql(f"DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN PASSWORD '{PASSWORD}'")
    passfile = tmp_path / "passwords"
    passfile.touch(0o600)
    passfile.write_text(f"*:*:*:*:{PASSWORD}\n")
    return options(place, user="poor", passfile=str(passfile))


def test_an_operator_may_make_the_table(place: PostgresqlServer, poor: Options) -> None:
    async def use() -> None:
        async with opened(poor) as store:
            with pytest.raises(StoreError, match=r"permission denied.*the owner of bascule_leases run what `schema`"):
                await store.read("")
            await asyncio.to_thread(place.sql, schema(poor))
            revision = await store.swap("a", b"one", 0)
            assert revision is not None
            assert await store.swap("a", b"two", revision) is not None
            assert [entry.value for entry in await store.read("")] == [b"two"]

    hold(use)
    place.sql("DROP TABLE bascule_leases; DROP ROLE poor")


@pytest.mark.parametrize(
    ("mode", "message"), [(0o640, "others may read"), (0o604, "others may read"), (None, "No such")]
)
def test_passwords_that_others_may_read_are_not_used(poor: Options, mode: int | None, message: str) -> None:
    passfile = Path(poor.passfile)
    if mode is None:
        passfile.unlink()
    else:
        passfile.chmod(mode)

    async def use() -> None:
        async with opened(poor) as store:
            with pytest.raises(StoreError, match=f"{passfile}: {message}"):
                await store.read("")

    hold(use)


def test_a_standby_is_passed_over(place: PostgresqlServer) -> None:
    with psycopg.connect(place.conninfo, autocommit=True) as connection:
        connection.execute("ALTER ROLE app SET default_transaction_read_only = on")

    async def use() -> None:
        async with opened(options(place)) as store:
            with pytest.raises(StoreError, match=r"no server takes writes: .* read-only"):
                await store.read("")

    try:
        hold(use)
    finally:
        place.sql("SET TRANSACTION READ WRITE; ALTER ROLE app RESET default_transaction_read_only")


def test_a_frozen_server_among_several_does_not_use_up_the_time(place: PostgresqlServer, tmp_path: Path) -> None:
    async def use(frozen: PostgresqlServer) -> None:
        async with opened(options(frozen, place), 2.0) as store:
            await store.read("")
            assert await until_swapped(store, "a", b"")

    with running(tmp_path) as frozen:
        frozen.freeze()
        try:
            hold(lambda: use(frozen))
        finally:
            frozen.thaw()


def test_a_frozen_server_ends_a_watch_that_only_listens(tmp_path: Path) -> None:
    async def use(server: PostgresqlServer) -> None:
        async with opened(options(server), 0.5) as store:
            watching = await watched(store)
            server.freeze()
            await asyncio.wait([watching])
            assert isinstance(watching.exception(), StoreError)

    with running(tmp_path) as server:
        hold(lambda: use(server))


async def watched(store: PostgresqlStore, seen: list[Entry] | None = None) -> asyncio.Task[None]:
    """A watch that has begun, and collects what it sees."""
    seen = [] if seen is None else seen

    async def watch() -> None:
        async for entry in store.watch(""):
            seen.append(entry)

    watching = asyncio.create_task(watch())
    while not seen:
        await until_swapped(store, "begin", b"")
        await asyncio.wait([watching], timeout=0.05)
        assert not watching.done()
    return watching


def test_a_flood_of_notices_is_heard_while_rows_are_read(place: PostgresqlServer) -> None:
    """Notices that come while the rows of earlier ones are read are not lost: the latest value is always shown."""
    seen: list[Entry] = []

    async def use() -> None:
        async with opened(options(place)) as store, opened(options(place)) as writer:
            watching = await watched(store, seen)
            revisions: dict[str, int] = {}
            for number in range(300):
                key = f"k{number % 7}"
                revision = await writer.swap(key, b"%d" % number, revisions.get(key, 0))
                assert revision is not None
                revisions[key] = revision
            while not revisions.items() <= {entry.key: entry.revision for entry in seen}.items():
                await asyncio.wait([watching], timeout=0.01)
                assert not watching.done()
            watching.cancel()

    hold(use)
    for key in {entry.key for entry in seen}:
        revisions = [entry.revision for entry in seen if entry.key == key]
        assert revisions == sorted(set(revisions)), "each at most once, and never an older one"


def test_a_closed_store_says_so_and_its_watches_end(place: PostgresqlServer) -> None:
    async def use() -> None:
        store = make(options(place), 10.0)
        watching = await watched(store)
        await store.close()
        with pytest.raises(StoreError):
            await watching
        with pytest.raises(StoreError, match="closed"):
            await store.read("")
        with pytest.raises(StoreError, match="closed"):
            await anext(store.watch(""))

    hold(use)
    wait_until(lambda: place.sql(OURS) == [(0,)], "no connection stays behind")


def test_closing_cuts_off_what_is_under_way(place: PostgresqlServer) -> None:
    """A call that waits for a standby, one that waits for its turn, and one that is still connecting."""

    async def use() -> None:
        store = make(options(place), 30.0)
        await until_swapped(store, "a", b"")
        await asyncio.to_thread(place.strand)
        calls = [asyncio.ensure_future(store.swap("b", b"", 0)) for _ in range(2)]
        await shown(place, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        connecting = make(options(place), 30.0)
        calls.append(asyncio.ensure_future(connecting.swap("c", b"", 0)))
        await asyncio.wait(calls, timeout=0)
        await connecting.close()
        await store.close()
        done, _ = await asyncio.wait(calls)
        assert [type(call.exception()) for call in done] == [StoreError] * 3

    try:
        hold(use)
    finally:
        place.configure("synchronous_standby_names", "")
    wait_until(lambda: place.sql(OURS) == [(0,)], "no connection stays behind")


def test_rows_of_another_kind_are_not_believed(place: PostgresqlServer) -> None:
    place.sql("CREATE TABLE bascule_leases (key text, value bigint, revision bigint)")
    place.sql("INSERT INTO bascule_leases VALUES ('a', 10000000000, 1)")

    async def use() -> None:
        async with opened(options(place)) as store:
            with pytest.raises(StoreError, match="not what a store may hold"):
                await store.read("")

    hold(use)


@pytest.fixture
def pooler(place: PostgresqlServer, tmp_path: Path) -> Iterator[int]:
    """The port of a pgbouncer that gives every transaction another connection."""
    program, port = need("pgbouncer", "pgbouncer"), free_port()
    (tmp_path / "users").write_text('"app" ""\n')
    (tmp_path / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={place.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n"
        f"auth_file = {tmp_path}/users\npool_mode = transaction\ndefault_pool_size = 3\nserver_round_robin = 1\n"
    )
    for path in (tmp_path, tmp_path / "users", tmp_path / "pgbouncer.ini"):
        path.chmod(0o755)
    argv = ["unshare", "-U", "--map-user=1000", "--map-group=1000", program, str(tmp_path / "pgbouncer.ini")]

    def is_ready() -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=port, user="app", dbname="postgres").close()
            return True
        return False

    daemon = Daemon(argv, tmp_path, is_ready)
    daemon.start()
    try:
        yield port
    finally:
        daemon.stop()


def test_behind_a_pooler_of_transactions(place: PostgresqlServer, pooler: int) -> None:
    chosen = options(place, watch="poll", interval=Duration(0.02))
    behind = structs.replace(chosen, hosts=(f"127.0.0.1:{pooler}",))

    async def use() -> None:
        async with opened(behind) as store, opened(chosen) as writer:
            seen: list[Entry] = []
            watching = await watched(store, seen)
            revision = await until_swapped(writer, "b", b"one")
            while Entry(key="b", value=b"one", revision=revision) not in seen:
                await asyncio.wait([watching], timeout=0.01)
                assert not watching.done()
            for number in range(30):
                revision = await store.swap("b", b"%d" % number, revision) or 0
                assert revision
            watching.cancel()

    hold(use)
    with psycopg.connect(
        host="127.0.0.1", port=pooler, user="app", dbname="postgres", autocommit=True, prepare_threshold=None
    ) as stranger:
        for _ in range(6):
            assert stranger.execute("SHOW statement_timeout").fetchone() == ("0",), "no setting was left to others"
