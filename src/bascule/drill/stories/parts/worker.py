"""Does one thing after the other, in the order of arrival, whoever still waits for it: `worker ADDRESS PORT`."""

from __future__ import annotations

import sys
import threading
import time

from bascule.drill.stories.parts.ledger import Ledger
from bascule.drill.stories.parts.web import BUSY, Server

WORK_S = 0.008
"""What one request costs: 125 in a second are all that it can do."""
QUEUE = 500
"""How many wait at most, which is four seconds of work; who comes then is turned away. Without a bound, threads would
pile up on the machine for as long as the storm lasts, and nobody could be asked afterwards what is kept."""
_TURN = threading.Lock()
_WAITING = threading.BoundedSemaphore(QUEUE)


class Worker(Ledger):
    """A ledger whose every write takes its time, one after the other."""

    def post(self, path: str) -> tuple[int, object]:
        """Wait for its turn, work, and keep the number: it cannot know that the client has gone."""
        if not _WAITING.acquire(blocking=False):
            return BUSY, None
        try:
            with _TURN:
                time.sleep(WORK_S)
                return super().post(path)
        finally:
            _WAITING.release()


if __name__ == "__main__":
    Server((sys.argv[1], int(sys.argv[2])), Worker).serve_forever()
