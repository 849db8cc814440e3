"""Writes into a file, which keepalived watches, whether a member serves: `0` it does, `1` it does not.

`python -m bascule.engines.keepalived.watching FILE URL EVERY_S TIMEOUT_S FALL RISE`; URL without a path: it accepts.
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from bascule.engines import http_over


class Verdict:
    """Whether a member serves, changed only by several equal answers in a row. At first it does not.

    Args:
        fall: Failed answers that end it.
        rise: Good answers that begin it.
    """

    def __init__(self, fall: int, rise: int) -> None:
        self._needed = {False: fall, True: rise}
        self._row = 0
        self.serves = False

    def hear(self, *, good: bool) -> bool:
        """Take an answer in; returns whether the verdict changed."""
        self._row = 0 if good == self.serves else self._row + 1
        if self._row < self._needed[good]:
            return False
        self.serves, self._row = good, 0
        return True


def ask(url: str, timeout_s: float) -> bool:
    """Whether it answers 200 in time; without a path, whether it accepts a connection."""
    parts = urlsplit(url)
    address = (str(parts.hostname), int(parts.port or 80))
    if not parts.path:
        try:
            socket.create_connection(address, timeout_s).close()
        except OSError:
            return False
        return True

    def dial(port: int) -> socket.socket:
        return socket.create_connection((address[0], port), timeout_s)

    try:
        return http_over.ask(dial, address[1], parts.path, timeout_s=timeout_s).status == 200
    except http_over.NoAnswerError:
        return False


def main(words: list[str]) -> int:
    """Ask for ever."""
    file, url = Path(words[0]), words[1]
    every_s, timeout_s = float(words[2]), float(words[3])
    verdict = Verdict(int(words[4]), int(words[5]))
    # Written in place: keepalived watches the file itself, and would lose one that is replaced.
    file.write_text("1\n", encoding="ascii")
    while True:
        asked_s = time.monotonic()
        if verdict.hear(good=ask(url, timeout_s)):
            file.write_text("0\n" if verdict.serves else "1\n", encoding="ascii")
            sys.stderr.write(f"the member {'serves' if verdict.serves else 'does not serve'}\n")
        time.sleep(max(0.0, asked_s + every_s - time.monotonic()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
