from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from bascule.cluster.agent import log_line
from bascule.cluster.agent.log_line import Writer, line
from bascule.cluster.agent.main import FactLines

DEADLINE_S = 30.0


def test_a_line_is_one_json_object_with_its_time_and_level() -> None:
    told = json.loads(line("INFO", {"fact": "StoreLost", "why": "a\nb"}, 1_795_694_399.25))
    assert told == {"time": "2026-11-26T11:59:59.250000+00:00", "level": "INFO", "fact": "StoreLost", "why": "a\nb"}


def test_a_record_of_a_fact_becomes_such_a_line() -> None:
    record = logging.LogRecord("bascule.facts", logging.WARNING, "", 0, "text", None, None)
    record.created = 0.0
    record.bascule = {"fact": "StoreLost", "at_s": 3.0}
    assert json.loads(FactLines().format(record)) == {
        "time": "1970-01-01T00:00:00.000000+00:00",
        "level": "WARNING",
        "fact": "StoreLost",
        "at_s": 3.0,
    }


def test_lines_come_in_order_and_the_last_ones_are_waited_for() -> None:
    read, write = os.pipe()
    writer = Writer(write)
    for number in range(100):
        writer.write(str(number))
    writer.close()
    os.close(write)
    with os.fdopen(read) as stream:
        assert stream.read().split() == [str(number) for number in range(100)]


def test_a_reader_that_hangs_holds_nobody_up_and_what_it_misses_is_counted() -> None:
    read, write = os.pipe()
    writer = Writer(write)
    for _ in range(log_line.MOST_WAITING + 200):
        writer.write("x" * 1000)
    assert writer.dropped > 0
    writer.close()
    os.close(write)
    os.close(read)  # the thread is let go by a broken pipe
    writer._thread.join(DEADLINE_S)
    assert not writer._thread.is_alive()


def test_what_is_late_never_reaches_a_file_that_was_given_the_same_number(tmp_path: Path) -> None:
    read, write = os.pipe()
    writer = Writer(write)
    for _ in range(log_line.MOST_WAITING + 200):
        writer.write("x" * 1000)
    writer.close()
    os.close(write)
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_RDWR)
    os.dup2(other, write)  # whatever number it has now, it is the writer's old one too
    os.close(read)
    writer._thread.join(DEADLINE_S)
    assert os.fstat(write).st_size == 0
    os.close(write)
    if other != write:
        os.close(other)
