"""Facts as log lines."""

import json
import logging
from collections.abc import Iterator

import pytest

from bascule.guard import Bulkhead, BulkheadFullError, Guard, Stream
from bascule.guard.facts import CallRefused, CircuitClosed, CircuitOpened
from bascule.kernel.facts import Fact
from bascule.telemetry.log import LOGGER, LogFacts


class Kept(logging.Handler):
    """Keeps the records that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    logger = logging.getLogger(LOGGER)
    kept = Kept()
    logger.addHandler(kept)
    logger.setLevel(logging.DEBUG)
    yield kept.records
    logger.removeHandler(kept)
    logger.setLevel(logging.NOTSET)


OPENED = CircuitOpened(at_s=12.3456789, guard="payments", key="", reason="failures", open_s=30.0)


def test_a_fact_is_a_json_object_on_one_line(records: list[logging.LogRecord]) -> None:
    LogFacts()(OPENED)
    (record,) = records
    told = json.loads(record.getMessage())
    values = {"key": "", "reason": "failures", "open_s": 30.0}
    assert told == {"fact": "CircuitOpened", "guard": "payments", "at_s": 12.345679, **values}
    assert vars(record)["bascule"] == told
    assert (record.name, record.levelname) == (LOGGER, "WARNING")


def test_a_percent_sign_in_a_fact_is_no_format(records: list[logging.LogRecord]) -> None:
    LogFacts()(CircuitClosed(at_s=1.0, guard="100%s", key="%d\n{", reason="probes"))
    assert json.loads(records[0].getMessage())["key"] == "%d {"
    assert records[0].levelname == "INFO"


def test_levels_can_be_told_and_unknown_facts_have_one(records: list[logging.LogRecord]) -> None:
    class Unheard(Fact):
        pass

    refused = CallRefused(at_s=1.0, guard="g", policy="Bulkhead")
    LogFacts()(refused)
    LogFacts(levels={"CallRefused": logging.ERROR})(refused)
    LogFacts()(Unheard(at_s=1.0))
    assert [record.levelname for record in records] == ["DEBUG", "ERROR", "INFO"]


def test_what_is_below_the_level_is_not_even_put_together() -> None:
    class Costly(Fact):
        def __str__(self) -> str:
            raise AssertionError("nobody wants to know")

    logger = logging.getLogger("bascule.quiet")
    logger.setLevel(logging.ERROR)
    LogFacts(logger)(Costly(at_s=1.0))


def test_a_guards_decisions_arrive(records: list[logging.LogRecord]) -> None:
    facts = Stream()
    facts.subscribe(LogFacts())
    guard = Guard(Bulkhead(1), name="api", facts=facts)

    def nested() -> None:
        with pytest.raises(BulkheadFullError):
            guard.call(print)

    guard.call(nested)
    assert facts.flush()
    assert json.loads(records[0].getMessage())["policy"] == "Bulkhead"
