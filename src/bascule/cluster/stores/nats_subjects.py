"""How keys become subjects of a bucket, and back: `a/b.c` is `a.b=2Ec`, so that `nats kv get` reads as one expects.

A part that is empty is `=`; no key has a `=`, and so none can collide with the subject of the barrier.

Source: NATS ADR-8, "JetStream based Key-Value Stores": keys are of `[-/_=.a-zA-Z0-9]`, and tokens are not empty.
"""

from __future__ import annotations

import re

from bascule.cluster.stores.foreign import is_key

BARRIER = "=barrier"
_BUCKET = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_bucket(name: str) -> bool:
    """Whether a bucket can have this name."""
    return _BUCKET.fullmatch(name) is not None


class Subjects:
    """The names of one bucket."""

    def __init__(self, bucket: str) -> None:
        self.stream = f"KV_{bucket}"
        self.all = f"$KV.{bucket}.>"
        self._start = f"$KV.{bucket}."
        self.barrier = self._start + BARRIER

    def of(self, key: str) -> str:
        """The subject of a key."""
        return self._start + ".".join(part.replace(".", "=2E") or "=" for part in key.split("/"))

    def key(self, subject: str) -> str | None:
        """The key of a subject; None where it is of no register of ours."""
        if not subject.startswith(self._start):
            return None
        parts = subject.removeprefix(self._start).split(".")
        key = "/".join("" if part == "=" else part.replace("=2E", ".") for part in parts)
        return key if is_key(key) and self.of(key) == subject else None

    def under(self, prefix: str) -> str:
        """The narrowest filter that lets through all keys that begin like this; it may let others through."""
        above, slash, _ = prefix.rpartition("/")
        return f"{self.of(above)}.>" if slash else self.all
