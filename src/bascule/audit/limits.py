"""How much an audit reads at most. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what is read: what breaks one is told, and what lies within is audited.

    Attributes:
        file_bytes: The size of a file.
        input_bytes: The size of what comes over standard input: thousands of rendered manifests.
        file_lines: The number of its lines.
        files: How many files are read altogether.
        entries: How many directory entries are looked at.
        all_bytes: The size of everything that is read.
        all_values: How many keys and values everything has that is read.
    """

    file_bytes: int = 10 * MIB
    input_bytes: int = 50 * MIB
    file_lines: int = 250_000
    files: int = 20_000
    entries: int = 500_000
    all_bytes: int = 200 * MIB
    all_values: int = 1_000_000
