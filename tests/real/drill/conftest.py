"""Commands that run for one test, and leave nothing behind."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drilling import Command, mounts_of, processes_of, wait_until


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Starts commands in an empty directory; at the end nothing of them may run or be mounted."""
    commands: list[Command] = []

    def start(*words: str | Path, within: tuple[str, ...] = ()) -> Command:
        commands.append(Command(*words, directory=tmp_path, within=within))
        return commands[-1]

    yield start
    for command in commands:
        if command.process.poll() is None:
            command.process.kill()
            command.process.communicate()
    wait_until(lambda: not processes_of(tmp_path), 20.0, f"an end of {processes_of(tmp_path)}")
    assert mounts_of(tmp_path) == []
