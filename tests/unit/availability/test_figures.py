"""Every figure has its source, whoever brings it."""

from __future__ import annotations

import pytest
from msgspec import structs

from bascule.availability.figures import NAMES, TYPICAL, Figures
from bascule.engines.etcd import figures as etcd
from bascule.engines.haproxy import figures as haproxy
from bascule.engines.postgresql import figures as postgresql
from bascule.engines.redis import figures as redis
from bascule.engines.service import figures as service
from bascule.kernel.quantities import Duration

YEAR_S = 365.25 * 86400


@pytest.mark.parametrize("given", [TYPICAL, *(each.FIGURES for each in (etcd, haproxy, postgresql, redis, service))])
def test_every_figure_is_in_range_and_has_its_source(given: Figures) -> None:
    assert set(given.sources) == set(NAMES)
    assert all(len(source.split()) > 3 for source in given.sources.values())
    assert 86400 < given.mtbf.seconds < 100 * YEAR_S
    assert 0 < given.mttr.seconds < 86400
    assert 0 < given.failover.seconds < given.manual.seconds
    assert 0.5 < given.coverage.fraction <= 1
    assert 0 < given.beta.fraction <= 0.1
    assert given.is_assumption("manual"), "how fast people are is nobody's to publish"
    assert not given.is_assumption("mtbf")


def test_a_figure_without_a_source_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="mttr"):
        structs.replace(TYPICAL, sources={**TYPICAL.sources, "mttr": ""})
    with pytest.raises(ValueError, match="without a figure"):
        structs.replace(TYPICAL, sources={**TYPICAL.sources, "luck": "assumption: none"})


def test_one_figure_may_be_another_with_its_own_source() -> None:
    other = TYPICAL.but("mttr", Duration(5.0), "measured in a drill")
    assert other.mttr == Duration(5.0)
    assert not other.is_assumption("mttr")
    assert TYPICAL.is_assumption("mttr"), "the first ones stay as they are"
    assert other.sources["mtbf"] == TYPICAL.sources["mtbf"]


@pytest.mark.parametrize(("needed", "counts"), [("one", [1, 1, 1]), ("majority", [1, 3, 4]), ("all", [1, 5, 6])])
def test_how_many_are_needed(needed: str, counts: list[int]) -> None:
    given = TYPICAL.but("needed", needed, "how it votes")
    assert [given.needed_of(replicas) for replicas in (1, 5, 6)] == counts
