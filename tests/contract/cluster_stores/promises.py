"""What every store promises, as one coroutine each: they fail for a store that breaks it, as the mutants show."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine

import pytest
from tests.contract.cluster_stores.subject import PATIENT_S, Subject

from bascule.cluster.stores.port import KEY_LIMIT, VALUE_LIMIT_BYTES, Entry, Store
from bascule.kernel.errors import InputError, StoreError

DEADLINE_S = 60.0
LIMIT_S = 1.0
"""The time limit of a store whose server is about to fail."""
SLACK_S = 2.0
"""What a busy machine may add to it."""
SWAPPERS = 20
Promise = Callable[[Subject, str], Coroutine[None, None, None]]
"""Takes the server and a prefix of its own."""


def hold(promise: Coroutine[None, None, None], deadline_s: float = DEADLINE_S) -> None:
    """Run a promise; one that hangs is broken too."""
    asyncio.run(asyncio.wait_for(promise, deadline_s))


@contextlib.asynccontextmanager
async def opened(subject: Subject, timeout_s: float = PATIENT_S) -> AsyncIterator[Store]:
    store = subject.store(timeout_s)
    try:
        yield store
    finally:
        await store.close()


async def values(store: Store, prefix: str) -> dict[str, bytes]:
    return {entry.key: entry.value for entry in await store.read(prefix)}


async def only(store: Store, key: str) -> Entry | None:
    return next((entry for entry in await store.read(key) if entry.key == key), None)


async def put(store: Store, key: str, value: bytes) -> int:
    """Write whatever is there, against whoever else writes."""
    while True:
        there = await only(store, key)
        revision = await store.swap(key, value, there.revision if there else 0)
        if revision is not None:
            return revision


async def until_usable(store: Store, key: str) -> None:
    """Wait for a store whose server is back."""
    while True:
        try:
            await put(store, key, b"back")
        except StoreError:
            await asyncio.sleep(0.05)
        else:
            return


async def what_is_not_there_is_made_once(subject: Subject, prefix: str) -> None:
    async with opened(subject) as store:
        assert await store.read(prefix) == ()
        revision = await store.swap(f"{prefix}a", b"one", 0)
        assert revision is not None
        assert revision > 0
        assert await store.swap(f"{prefix}a", b"two", 0) is None
        assert await store.read(prefix) == (Entry(key=f"{prefix}a", value=b"one", revision=revision),)


async def only_what_was_read_is_written_over(subject: Subject, prefix: str) -> None:
    async with opened(subject) as store:
        key = f"{prefix}a"
        first = await store.swap(key, b"one", 0)
        assert first is not None
        second = await store.swap(key, b"two", first)
        assert second is not None
        assert second > first
        for wrong in (0, first, second + 1, second + 1000):
            assert await store.swap(key, b"three", wrong) is None
        assert await store.swap(f"{prefix}b", b"three", second) is None, "nothing is there"
        assert await store.read(prefix) == (Entry(key=key, value=b"two", revision=second),)


async def the_same_value_again_is_a_write(subject: Subject, prefix: str) -> None:
    async with opened(subject) as store:
        revisions = [await store.swap(f"{prefix}a", b"same", 0)]
        for _ in range(5):
            revisions.append(await store.swap(f"{prefix}a", b"same", revisions[-1] or -1))
        assert None not in revisions
        assert revisions == sorted(set(filter(None, revisions)))


async def a_write_is_seen_by_all_at_once(subject: Subject, prefix: str) -> None:
    async with opened(subject) as one, opened(subject) as other:
        for number in range(20):
            writer, reader = (one, other) if number % 2 else (other, one)
            revision = await put(writer, f"{prefix}a", b"%d" % number)
            entry = await only(reader, f"{prefix}a")
            assert entry == Entry(key=f"{prefix}a", value=b"%d" % number, revision=revision)


async def names_that_are_alike_are_kept_apart(subject: Subject, prefix: str) -> None:
    names = ["a", "A", "a/b", "a.b", "a-b", "a_b", "a/", "a/b/c", "b", "-", "_", "a--b", "a.-b", "0", "x2f", "a-2fb"]
    async with opened(subject) as store:
        wanted = {f"{prefix}{name}": name.encode() for name in names}
        for key, value in wanted.items():
            assert await store.swap(key, value, 0) is not None, key
        assert await values(store, prefix) == wanted
        for start in ("a", "a/", "A", "a.", "a-", "a--", "zzz"):
            found = {key: value for key, value in wanted.items() if key.startswith(prefix + start)}
            assert await values(store, prefix + start) == found, start


async def bytes_come_back_as_they_were(subject: Subject, prefix: str) -> None:
    samples = [b"", b"\0", bytes(range(256)), b'{"a": "\xc3\xa9"}', "\u2028\U0001f600".encode(), b"\r\n\r\n", b" x "]
    async with opened(subject) as store:
        for number, value in enumerate(samples):
            await put(store, f"{prefix}{number}", value)
        assert await values(store, prefix) == {f"{prefix}{number}": value for number, value in enumerate(samples)}


async def limits_are_kept_and_can_be_reached(subject: Subject, prefix: str) -> None:
    async with opened(subject) as store:
        for key in ("", "a b", "a\n", "\u00e9", prefix + "x" * KEY_LIMIT, "a*", "a>", "a%2f", "a\0"):
            with pytest.raises(InputError):
                await store.swap(key, b"", 0)
        with pytest.raises(InputError):
            await store.swap(f"{prefix}a", b"x" * (VALUE_LIMIT_BYTES + 1), 0)
        with pytest.raises(InputError):
            await store.swap(f"{prefix}a", b"x" * (subject.value_limit_bytes + 1), 0)
        assert await store.read(prefix) == ()
        longest = (prefix + "x" * KEY_LIMIT)[:KEY_LIMIT]
        largest = (bytes(range(256)) * 1024)[: subject.value_limit_bytes]
        assert await store.swap(longest, largest, 0) is not None
        assert await values(store, prefix) == {longest: largest}


async def revisions_grow_across_a_removal(subject: Subject, prefix: str) -> None:
    async with opened(subject) as store:
        key, last = f"{prefix}a", 0
        for number in range(3):
            revision = await store.swap(key, b"%d" % number, 0)
            assert revision is not None, "what was removed can be made anew"
            assert revision > last
            last = await store.swap(key, b"once more", revision) or 0
            assert last > revision
            await subject.remove(store, key)
            assert await store.read(prefix) == ()
            assert await store.swap(key, b"late", last) is None


async def of_many_swappers_one_wins(subject: Subject, prefix: str) -> None:
    key = f"{prefix}a"
    async with opened(subject) as one, opened(subject) as two, opened(subject) as three:
        stores = list(itertools.islice(itertools.cycle((one, two, three)), SWAPPERS))
        expected = 0
        for number in range(5):
            names = [b"%d by %d" % (number, who) for who in range(SWAPPERS)]
            swaps = [store.swap(key, name, expected) for store, name in zip(stores, names, strict=True)]
            revisions = await asyncio.gather(*swaps)
            winners = [(name, won) for name, won in zip(names, revisions, strict=True) if won is not None]
            assert len(winners) == 1, winners
            name, revision = winners[0]
            assert revision > expected
            assert await only(two, key) == Entry(key=key, value=name, revision=revision)
            expected = revision


async def nothing_that_was_counted_is_lost(subject: Subject, prefix: str) -> None:
    """A counter that all raise: as many successes as it says, each at its own revision, in the same order."""
    key = f"{prefix}a"
    raised: list[tuple[int, int]] = []

    async def count(store: Store) -> None:
        while True:
            there = await only(store, key)
            number = int(there.value) + 1 if there else 1
            revision = await store.swap(key, b"%d" % number, there.revision if there else 0)
            if revision is not None:
                raised.append((revision, number))
                return

    async with opened(subject) as one, opened(subject) as other:
        await asyncio.gather(*(count((one, other)[who % 2]) for who in range(SWAPPERS)))
        assert await values(one, key) == {key: b"%d" % SWAPPERS}
    assert [number for _, number in sorted(raised)] == list(range(1, SWAPPERS + 1))
    assert len({revision for revision, _ in raised}) == SWAPPERS


async def a_read_is_of_one_moment(subject: Subject, prefix: str) -> None:
    """`a` is always written before `z`: who sees them together sees the same number, or `a` one ahead."""
    first, last = f"{prefix}a", f"{prefix}z"
    async with opened(subject) as writer, opened(subject) as reader:
        for number in range(10):
            await put(writer, f"{prefix}m{number}", b"0")
        revisions = [await put(writer, first, b"0"), await put(writer, last, b"0")]

        async def write() -> None:
            for number in range(1, 41):
                for index, key in enumerate((first, last)):
                    revision = await writer.swap(key, b"%d" % number, revisions[index])
                    assert revision is not None
                    revisions[index] = revision
                    await asyncio.sleep(0)

        writing = asyncio.create_task(write())
        while not writing.done():
            found = await values(reader, prefix)
            assert len(found) == 12
            assert int(found[first]) - int(found[last]) in {0, 1}, found
            await asyncio.sleep(0)  # a store in memory lets nobody else go on
        await writing


class Watched:
    """What a watch has shown so far, as a task that can be looked at."""

    def __init__(self, store: Store, prefix: str) -> None:
        self.seen: dict[str, Entry] = {}
        self._store, self._prefix = store, prefix
        self.task = asyncio.create_task(self._look())

    async def _look(self) -> None:
        async with contextlib.aclosing(self._store.watch(self._prefix)) as entries:  # type: ignore[type-var]  # every watch is a generator
            async for entry in entries:
                assert entry.key.startswith(self._prefix), entry
                assert entry.key not in self.seen or entry.revision >= self.seen[entry.key].revision, "it went back"
                self.seen[entry.key] = entry

    async def begin(self, store: Store) -> None:
        """Write until the watch shows something: from then on it has begun."""
        for number in itertools.count():
            await put(store, f"{self._prefix}first", b"%d" % number)
            await asyncio.wait({self.task}, timeout=0.02)
            if self.seen:
                return
            self.fail_if_ended()

    def fail_if_ended(self) -> None:
        if self.task.done():
            self.task.result()
            raise AssertionError("a watch ends by an error only")

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})
        if not self.task.cancelled():
            self.fail_if_ended()


async def a_watch_shows_the_latest(subject: Subject, prefix: str) -> None:
    async with opened(subject) as store, opened(subject) as writer:
        watched = Watched(store, f"{prefix}in/")
        await watched.begin(writer)
        latest: dict[str, Entry] = {}
        for number in range(12):
            for name in "abcde":
                key, value = f"{prefix}in/{name}", b"%d" % number
                revision = await put(writer, key, value)
                latest[key] = Entry(key=key, value=value, revision=revision)
                await put(writer, f"{prefix}out", value)
        while not latest.items() <= watched.seen.items():
            watched.fail_if_ended()
            await asyncio.sleep(0.01)
        await watched.end()
        assert (await values(store, prefix))[f"{prefix}out"] == b"11", "the store goes on after its watch"


async def two_watches_do_not_disturb_each_other(subject: Subject, prefix: str) -> None:
    async with opened(subject) as store:
        one, other = Watched(store, f"{prefix}one/"), Watched(store, f"{prefix}other/")
        await asyncio.gather(one.begin(store), other.begin(store))
        await one.end()
        await put(store, f"{prefix}other/a", b"still")
        while f"{prefix}other/a" not in other.seen:
            other.fail_if_ended()
            await asyncio.sleep(0.01)
        await other.end()


async def a_cancelled_call_leaves_a_usable_store(subject: Subject, prefix: str) -> None:
    key = f"{prefix}a"
    async with opened(subject) as store:
        await put(store, key, b"0")
        tried = {b"0"}
        for number in range(1, 25):
            there = await only(store, key)
            assert there is not None
            assert there.value in tried
            tried.add(b"%d" % number)
            calls = [
                asyncio.create_task(store.swap(key, b"%d" % number, there.revision)),
                asyncio.create_task(store.read(prefix)),
            ]
            await asyncio.wait(calls, timeout=number * 0.000_3)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            for call in calls:
                assert call.cancelled() or call.exception() is None
        await put(store, key, b"done")
        assert await values(store, prefix) == {key: b"done"}


async def closing_twice_does_no_harm(subject: Subject, prefix: str) -> None:
    never_used = subject.store()
    await never_used.close()
    await never_used.close()
    store = subject.store()
    await put(store, f"{prefix}a", b"")
    watched = Watched(store, prefix)
    await watched.begin(store)
    await watched.end()
    await store.close()
    await store.close()


async def is_refused_in_time(store: Store, prefix: str, timeout_s: float = LIMIT_S) -> None:
    """Neither a read nor a write is held longer than the store's own limit."""
    with pytest.raises(StoreError):
        await asyncio.wait_for(store.read(prefix), timeout_s + SLACK_S)
    with pytest.raises(StoreError):
        await asyncio.wait_for(store.swap(f"{prefix}never", b"x", 0), timeout_s + SLACK_S)


async def a_lost_server_is_told_in_time(subject: Subject, prefix: str) -> None:
    async with opened(subject, LIMIT_S) as used, opened(subject, LIMIT_S) as fresh:
        await until_usable(used, f"{prefix}a")
        subject.kill()
        try:
            await is_refused_in_time(used, prefix)
            await is_refused_in_time(fresh, prefix)
        finally:
            subject.start()
        await until_usable(used, f"{prefix}a")
        await until_usable(fresh, f"{prefix}a")


async def a_frozen_server_is_told_in_time(subject: Subject, prefix: str) -> None:
    async with opened(subject, LIMIT_S) as used, opened(subject, LIMIT_S) as fresh:
        await until_usable(used, f"{prefix}a")
        subject.freeze()
        try:
            await is_refused_in_time(used, prefix)
            await is_refused_in_time(fresh, prefix)
        finally:
            subject.thaw()
        await until_usable(used, f"{prefix}a")
        await until_usable(fresh, f"{prefix}a")


async def a_broken_watch_is_told(subject: Subject, prefix: str) -> None:
    async with opened(subject) as store:
        watched = Watched(store, prefix)
        await watched.begin(store)
        subject.kill()
        try:
            await asyncio.wait({watched.task})
            assert isinstance(watched.task.exception(), StoreError)
            ended = Watched(store, prefix)
            await asyncio.wait({ended.task})
            assert isinstance(ended.task.exception(), StoreError), "nobody is there"
        finally:
            subject.start()
        await until_usable(store, f"{prefix}back")
        again = Watched(store, prefix)
        await again.begin(store)
        await again.end()


async def a_wrong_password_is_told_and_not_shown(subject: Subject, prefix: str) -> None:
    wrong = "not-the-password-5f1c"
    store = subject.store(LIMIT_S, password=wrong)
    try:
        with pytest.raises(StoreError, match=r"(?i)password|token|authenti|credential") as told:
            await store.read(prefix)
        shown: list[BaseException | None] = [told.value]
        while (error := shown[-1]) is not None:
            assert wrong not in f"{error} {error!r}"
            shown.append(error.__cause__ or error.__context__)
        with pytest.raises(StoreError):
            await store.swap(f"{prefix}a", b"", 0)
        assert wrong not in f"{store!r} {store.name}"
    finally:
        await store.close()
    async with opened(subject) as right:
        assert await right.read(prefix) == ()
