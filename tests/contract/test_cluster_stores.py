"""What leases rely on, held against the store in memory and against every real one: one answer for all."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

import pytest
from tests.contract.cluster_stores import promises
from tests.contract.cluster_stores.promises import hold, opened
from tests.contract.cluster_stores.subject import Ability, Subject, subjects

COUNT = itertools.count()


def stores(*abilities: Ability) -> pytest.MarkDecorator:
    """For each store that can do this."""
    params = [
        pytest.param(kind, id=kind.name, marks=[pytest.mark.real] if kind.real else [])
        for kind in subjects()
        if kind.can.issuperset(abilities)
    ]
    return pytest.mark.parametrize("subject", params, indirect=True, scope="module")


@pytest.fixture(scope="module")
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    kind: type[Subject] = request.param
    if missing := kind.missing():
        pytest.skip(f"the store {kind.name} needs {missing}")
    one = kind(tmp_path_factory.mktemp(kind.name))
    try:
        one.start()
        yield one
    finally:
        one.stop()


@pytest.fixture
def prefix() -> str:
    return f"bascule/test{next(COUNT)}/"


@stores()
@pytest.mark.parametrize(
    "promise",
    [
        promises.what_is_not_there_is_made_once,
        promises.only_what_was_read_is_written_over,
        promises.the_same_value_again_is_a_write,
        promises.a_write_is_seen_by_all_at_once,
        promises.names_that_are_alike_are_kept_apart,
        promises.bytes_come_back_as_they_were,
        promises.limits_are_kept_and_can_be_reached,
        promises.of_many_swappers_one_wins,
        promises.nothing_that_was_counted_is_lost,
        promises.a_read_is_of_one_moment,
        promises.a_watch_shows_the_latest,
        promises.two_watches_do_not_disturb_each_other,
        promises.a_cancelled_call_leaves_a_usable_store,
        promises.closing_twice_does_no_harm,
    ],
    ids=lambda promise: promise.__name__,
)
def test_every_store_keeps(promise: promises.Promise, subject: Subject, prefix: str) -> None:
    hold(promise(subject, prefix))


@stores("remove")
def test_revisions_grow_across_a_removal(subject: Subject, prefix: str) -> None:
    hold(promises.revisions_grow_across_a_removal(subject, prefix))


@stores("kill")
def test_a_lost_server_is_told_in_time_and_may_come_back(subject: Subject, prefix: str) -> None:
    hold(promises.a_lost_server_is_told_in_time(subject, prefix))


@stores("kill")
def test_a_broken_watch_is_told_and_can_be_begun_anew(subject: Subject, prefix: str) -> None:
    hold(promises.a_broken_watch_is_told(subject, prefix))


@stores("kill")
def test_making_a_store_asks_nobody(subject: Subject, prefix: str) -> None:
    subject.kill()
    try:
        store = subject.store(promises.LIMIT_S)
    finally:
        subject.start()

    async def use() -> None:
        await promises.until_usable(store, f"{prefix}a")
        await store.close()

    hold(use())


@stores("freeze")
def test_a_frozen_server_is_told_in_time_and_may_go_on(subject: Subject, prefix: str) -> None:
    hold(promises.a_frozen_server_is_told_in_time(subject, prefix))


@stores("login")
def test_a_wrong_password_is_told_and_never_shown(
    subject: Subject, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hold(promises.a_wrong_password_is_told_and_not_shown(subject, prefix))
    assert "not-the-password" not in caplog.text


@stores()
def test_each_store_says_where_it_is(subject: Subject, prefix: str) -> None:
    async def look() -> None:
        async with opened(subject) as store:
            assert subject.name in store.name.lower()
            assert len(store.name) < 200
            assert await store.read(prefix) == ()

    hold(look())
