"""What the store on a file does with files that are not as it left them, and with processes that are killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bascule.cluster.stores import sqlite, sqlite_file
from bascule.cluster.stores.port import Entry
from bascule.cluster.stores.sqlite import Options, SqliteStore, make
from bascule.kernel.errors import InputError, StoreError
from bascule.kernel.quantities import Duration
from bascule.system.decoding import decode

T = TypeVar("T")
Use = Callable[[SqliteStore], Coroutine[Any, Any, T]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "leases.db"


def using(path: Path, use: Use[T], timeout_s: float = 10.0) -> T:
    async def run() -> T:
        store = make(Options(path=str(path), interval=Duration(0.005)), timeout_s)
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(run())


async def swap(store: SqliteStore) -> int | None:
    return await store.swap("a", b"one", 0)


async def read(store: SqliteStore) -> tuple[Entry, ...]:
    return await store.read("")


def execute(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_options_come_from_a_file() -> None:
    options, findings = decode({"path": "/a", "interval": "20ms"}, Options, "store")
    assert not findings
    assert options == Options(path="/a", interval=Duration(0.02))


@pytest.mark.parametrize(
    ("options", "timeout_s"),
    [
        (Options(path="leases.db"), 1.0),
        (Options(path="/a\0b"), 1.0),
        (Options(path="/a", interval=Duration(0.001)), 1.0),
        (Options(path="/a", interval=Duration(11.0)), 1.0),
        (Options(path="/a"), 0.0),
        (Options(path="/a"), float("inf")),
        (Options(path="/a"), float("nan")),
    ],
)
def test_impossible_options_are_refused(options: Options, timeout_s: float) -> None:
    with pytest.raises(InputError):
        make(options, timeout_s)


def test_making_a_store_touches_nothing(path: Path) -> None:
    make(Options(path=str(path)), 1.0)
    assert not path.exists()
    assert "bascule sqlite" not in {thread.name for thread in threading.enumerate()}


def test_only_its_user_may_open_the_file(path: Path) -> None:
    before = os.umask(0)
    try:
        using(path, swap)
    finally:
        os.umask(before)
    assert [one.stat().st_mode & 0o777 for one in path.parent.iterdir()] == [0o600, 0o600], "the file and its journal"


def test_nothing_is_left_running(path: Path) -> None:
    using(path, swap)
    for thread in threading.enumerate():
        if thread.name.startswith("bascule sqlite"):
            thread.join(10)
            assert not thread.is_alive()
    descriptors = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert not [name for name in descriptors if str(path) in name]


def test_each_swap_is_synced(path: Path) -> None:
    file = sqlite_file.LeaseFile(path, 1.0)
    file.swap("a", b"one", 0)
    assert file._connection is not None
    assert file._connection.execute("PRAGMA synchronous").fetchone() == (3,), "extra"
    assert file._connection.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
    file.close()


def test_a_new_file_goes_on_above_one_that_was_lost(path: Path) -> None:
    first = using(path, swap)
    assert first is not None
    path.unlink()
    second = using(path, swap)
    assert second is not None
    assert second > first


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


def turn_into_rubbish(path: Path) -> None:
    path.write_bytes(os.urandom(8192))


def put_garbage_in(path: Path) -> None:
    execute(path, "PRAGMA ignore_check_constraints = ON", "INSERT INTO leases VALUES ('b', 'text', 1)")


def open_to_all(path: Path) -> None:
    path.chmod(0o644)


def open_its_directory_to_all(path: Path) -> None:
    path.parent.chmod(0o1777)


def give_a_second_name(path: Path) -> None:
    (path.parent / "other").hardlink_to(path)


def give_to_another_program(path: Path) -> None:
    execute(path, "PRAGMA application_id = 7")


def make_newer(path: Path) -> None:
    execute(path, "PRAGMA user_version = 2")


def replace_by_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damage, "damaged.*move the file and its -journal away"),
        (turn_into_rubbish, "not a SQLite database.*move the file"),
        (put_garbage_in, "not what a store may hold"),
        (open_to_all, "open to every user.*chmod 600"),
        (open_its_directory_to_all, "anybody may put a journal beside.*directory of its own"),
        (give_a_second_name, "second name"),
        (give_to_another_program, "another program or version"),
        (make_newer, "another program or version"),
        (replace_by_a_directory, "not a file"),
    ],
)
def test_a_file_that_is_not_as_it_was_left(path: Path, harm: Callable[[Path], None], message: str) -> None:
    using(path, swap)
    harm(path)
    with pytest.raises(StoreError, match=f"(?s){path}.*{message}"):
        using(path, read)


def test_another_programs_database_is_left_alone(path: Path) -> None:
    execute(path, "CREATE TABLE theirs (a)")
    path.chmod(0o600)
    with pytest.raises(StoreError, match="another program's database"):
        using(path, read)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_a_file_that_somebody_put_into_wal_mode_is_taken_out_of_it(path: Path) -> None:
    first = using(path, swap)
    execute(path, "PRAGMA journal_mode = WAL")
    assert using(path, read) == (Entry(key="a", value=b"one", revision=first or 0),)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() != ("wal",)


def test_no_directory_no_file(path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        using(path.parent / "absent" / "leases.db", read)


def test_a_network_file_system_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "kind_of", lambda _: "nfs4")
    with pytest.raises(StoreError, match="nfs4, where locks do not hold"):
        using(path, read)
    assert not path.exists()


@pytest.mark.parametrize("removed", [True, False])
def test_a_file_that_was_removed_or_replaced_is_written_to_no_more(path: Path, removed: bool) -> None:
    def replace() -> None:
        copy = path.parent / "copy"
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o600)
        copy.rename(path)

    async def use(store: SqliteStore) -> None:
        first = await swap(store)
        assert first is not None
        (path.unlink if removed else replace)()
        with pytest.raises(StoreError, match="removed or replaced"):
            await store.swap("a", b"two", first)
        assert [entry.value for entry in await store.read("")] == ([] if removed else [b"one"]), (
            "the file that is there"
        )

    using(path, use)


def test_a_watch_is_told_that_its_file_was_removed(path: Path) -> None:
    async def use(store: SqliteStore) -> None:
        await swap(store)
        watching = asyncio.ensure_future(anext(store.watch("")))
        while not watching.done():
            await asyncio.to_thread(path.unlink, missing_ok=True)
            await asyncio.sleep(0.01)
        assert isinstance(watching.exception(), StoreError)

    using(path, use)


def test_a_lock_that_is_held_is_waited_for_no_longer_than_the_limit(path: Path) -> None:
    using(path, swap)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"another process held its lock.*fuser|no answer within 0.1 s"):
            using(path, read, timeout_s=0.1)
    using(path, read)


def test_what_was_cancelled_before_it_began_never_happens(path: Path) -> None:
    async def use(store: SqliteStore) -> None:
        first = await swap(store)
        assert first is not None
        free = threading.Event()
        hold = asyncio.ensure_future(store._hand.worker.run(lambda: free.wait(30)))
        late = asyncio.ensure_future(store.swap("a", b"late", first))
        await asyncio.wait([late], timeout=0.05)
        late.cancel()
        await asyncio.wait([late])
        free.set()
        await hold
        assert [entry.value for entry in await store.read("")] == [b"one"]

    using(path, use)


def test_a_closed_store_says_so_and_its_watches_end(path: Path) -> None:
    async def use() -> None:
        store = make(Options(path=str(path)), 10.0)
        await swap(store)
        watching = asyncio.ensure_future(anext(store.watch("")))
        await asyncio.wait([watching], timeout=0.05)
        await store.close()
        with pytest.raises(StoreError, match="closed"):
            await watching
        with pytest.raises(StoreError, match="closed"):
            await store.read("")
        with pytest.raises(StoreError, match="closed"):
            await anext(store.watch(""))

    asyncio.run(use())


def test_nobody_reads_more_than_a_store_may_hold(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "READ_LIMIT", 2)

    async def use(store: SqliteStore) -> None:
        for name in ("a", "b", "c"):
            await store.swap(name, b"", 0)
        assert len(await store.read("a")) == 1
        with pytest.raises(StoreError, match="more than 2"):
            await store.read("")

    using(path, use)


SWAPPER = """
import sys
from pathlib import Path
from bascule.cluster.stores.sqlite_file import LeaseFile
file, number = LeaseFile(Path(sys.argv[1]), 10.0), 0
revision = next((entry.revision for entry in file.read("a")), 0)
while True:
    number += 1
    revision = file.swap("a", b"%d" % number * 2000, revision)
    print(revision, flush=True)
"""


def test_what_was_acknowledged_outlives_a_process_that_is_killed(path: Path) -> None:
    """Killed at fifteen moments; a journal that is left then is undone by whoever comes next, and nothing else is."""
    for moment in range(15):
        argv = [sys.executable, "-c", SWAPPER, str(path)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as swapper:
            assert swapper.stdout is not None
            told = [int(swapper.stdout.readline()) for _ in range(1 + moment)]
            swapper.kill()
            told += [int(line) for line in swapper.stdout.read().split()]
        (entry,) = using(path, read)
        assert entry.revision in {told[-1], told[-1] + 1}, "the last one may have been written and not been told"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_processes_swap_side_by_side(path: Path) -> None:
    """Three processes raise one counter by compare-and-swap, each fifty times."""
    text = SWAPPER.split("revision =", maxsplit=1)[0] + (
        "done = 0\n"
        "while done < 50:\n"
        "    there = file.read('n')\n"
        "    value = int(there[0].value) + 1 if there else 1\n"
        "    done += file.swap('n', b'%d' % value, there[0].revision if there else 0) is not None\n"
    )
    swappers = [subprocess.Popen([sys.executable, "-c", text, str(path)]) for _ in range(3)]
    assert [one.wait(60) for one in swappers] == [0, 0, 0]
    assert [entry.value for entry in using(path, read)] == [b"150"]


def test_the_modules_of_the_room_fit_together() -> None:
    assert sqlite.Options.__struct_config__.tag == "sqlite"
    assert sqlite.Options.__struct_config__.tag_field == "kind"
