import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bascule.kernel.errors import InputError, MachineError
from bascule.measure.ledger import Ledger, read_status
from bascule.measure.plan import Plan, Target, decode
from bascule.measure.records import MAX_LINE_BYTES, Record, read
from bascule.measure.tail import RecordTail
from bascule.system.model import Operation


def plan(folder: Path) -> Plan:
    return Plan(
        client="outside",
        protocol="http",
        targets=(Target(address="127.0.0.1", port=1),),
        rate_per_s=10.0,
        deadline_s=1.0,
        records=str(folder / "records.jsonl"),
        status=str(folder / "status.json"),
        operations=(Operation(name="get", method="GET", path="/"),),
    )


def record(number: int, error: str = "") -> Record:
    return Record(number, "get", 1.0, 1.0, 1.5, "failed" if error else "good", error=error)


def wait_for(look: Callable[[], list[Record]], limit_s: float = 10.0) -> list[Record]:
    until_s = time.monotonic() + limit_s
    while not (found := look()) and time.monotonic() < until_s:
        threading.Event().wait(0.001)
    return found


def write_all(ledger: Ledger) -> None:
    ledger.flush()
    ledger.close()


def arrived(tail: RecordTail) -> list[int]:
    """The numbers of what comes next; what was flushed is written by a thread."""
    deadline_s = time.monotonic() + 10
    while not (records := tail.new()):
        assert time.monotonic() < deadline_s, "nothing was written"
        time.sleep(0.005)
    return [record.number for record in records]


def test_what_was_flushed_can_be_read_while_more_is_written(tmp_path: Path) -> None:
    ledger = Ledger(plan(tmp_path))
    tail = RecordTail(tmp_path / "records.jsonl")
    ledger.add(record(1))
    assert tail.new() == []
    ledger.flush()
    assert wait_for(tail.new) == [record(1)]
    assert tail.new() == []
    ledger.add(record(2))
    ledger.add(record(3))
    ledger.close()
    assert [r.number for r in tail.new()] == [2, 3]
    assert [r.number for r in read(tmp_path / "records.jsonl")] == [1, 2, 3]


def test_the_status_counts_and_names_its_phase(tmp_path: Path) -> None:
    assert read_status(tmp_path / "status.json") is None
    ledger = Ledger(plan(tmp_path))
    ledger.add(record(1))
    ledger.add(record(2, "refused"))
    ledger.close()
    status = read_status(tmp_path / "status.json")
    assert status is not None
    assert (status.phase, status.acked, status.failed) == ("done", 1, 1)
    (tmp_path / "status.json").write_text("{")
    with pytest.raises(MachineError, match="not a status"):
        read_status(tmp_path / "status.json")


def test_a_long_error_never_makes_a_record_that_cannot_be_read(tmp_path: Path) -> None:
    ledger = Ledger(plan(tmp_path))
    ledger.add(record(1, "é" * 10_000))
    ledger.close()
    assert len(next(iter(read(tmp_path / "records.jsonl"))).error) == 160


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="cannot write"):
        Ledger(plan(tmp_path / "nowhere"))


def test_a_full_disk_is_said() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this machine has no /dev/full")
    ledger = Ledger(msgspec.structs.replace(plan(Path("/dev")), records="/dev/full"))
    ledger.add(record(1))
    with pytest.raises(MachineError, match="No space left"):
        ledger.close()


def test_the_tail_waits_for_the_file_and_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    tail = RecordTail(path)
    assert tail.new() == []
    line = b'[1,"get",1.0,1.0,1.5,"good"]\n'
    path.write_bytes(line + line[:9])
    assert len(tail.new()) == 1
    path.write_bytes(line + line)
    assert len(tail.new()) == 1


def test_the_tail_refuses_what_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"nonsense\n")
    with pytest.raises(InputError, match="not a record"):
        RecordTail(path).new()
    path.write_bytes(b"x" * (MAX_LINE_BYTES + 1))
    with pytest.raises(InputError, match="too long"):
        RecordTail(path).new()
    path.write_bytes(b'[1,"get",1.0,1.0,1.5,"good"]\n')
    tail = RecordTail(path)
    tail.new()
    path.write_bytes(b"")
    with pytest.raises(InputError, match="shorter"):
        tail.new()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "not a load plan"),
        (b'{"client": "x", "oops": 1}', "not a load plan"),
        (
            b'{"client":"x","protocol":"http","targets":[],"rate_per_s":1,"deadline_s":1,"records":"r","status":"s"}',
            "target",
        ),
        (
            (
                b'{"client":"x","protocol":"http","targets":[{"address":"a","port":1}],"rate_per_s":1,"deadline_s":1,'
                b'"records":"r","status":"s"}'
            ),
            "no operations",
        ),
        (
            (
                b'{"client":"x","protocol":"postgresql","targets":[{"address":"a","port":1},{"address":"b","port":1}],'
                b'"rate_per_s":1,"deadline_s":1,"records":"r","status":"s","pinned":true}'
            ),
            "one target, not 2",
        ),
        (
            (
                b'{"client":"x","protocol":"postgresql","targets":[{"address":"a","port":1}],'
                b'"rate_per_s":0,"deadline_s":1,'
                b'"records":"r","status":"s"}'
            ),
            "above 0",
        ),
        (
            (
                b'{"client":"x","protocol":"postgresql","targets":[{"address":"a","port":1}],'
                b'"rate_per_s":1,"deadline_s":1,'
                b'"records":"r","status":"s","table":"a;b"}'
            ),
            "plain table name",
        ),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(text: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        decode(text, "plan.json")
    assert refused.value.where == "plan.json"
