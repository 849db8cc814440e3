"""The part of the platform's port that ends processes in the ways in which they end in the field."""

from __future__ import annotations

from typing import Protocol


class Endings(Protocol):
    """How a platform lets members meet their end: by the kernel's OOM killer."""

    def run_out_of_memory(self, member: str, *, command: str = "") -> tuple[int, ...]:
        """Let the kernel's OOM killer strike one process of the member, alone.

        It is the topmost one whose command is `command`; by default the one that the kernel would choose. Returns its
        pid once it is gone.
        """
        ...

    def memory_kills(self, member: str) -> int | None:
        """How often the OOM killer struck in the group in which that was done; None when there is no such group."""
        ...

    def relieve_memory(self, member: str) -> None:
        """Remove the group. One that is not there is no error."""
        ...
