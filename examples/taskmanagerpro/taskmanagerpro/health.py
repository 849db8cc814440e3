"""Four questions that probes ask: live, started, serving (not about to end), ready (its database answers now)."""

from __future__ import annotations

import asyncio
import logging
import time

from taskmanagerpro.database import Database, DatabaseUnavailableError, UndecidedError
from taskmanagerpro.tasks import Tasks

CHECK_S = 0.5
FRESH_S = 0.2
RETRY_S = 0.25

log = logging.getLogger(__name__)


class Health:
    """What the probes ask. A probe costs the database at most one statement per `FRESH_S` seconds."""

    def __init__(self, database: Database) -> None:
        self.started = False
        self.draining = False
        self._database = database
        self._checking = asyncio.Lock()
        self._answered = False
        self._checked_s = float("-inf")

    async def start(self, tasks: Tasks) -> None:
        """Prepare the schema, for as long as it takes: a database that is not there yet is no reason to end."""
        said = ""
        while not self.started:
            try:
                await tasks.prepare()
            except (DatabaseUnavailableError, UndecidedError) as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("waiting for the database: %s", said)
                await asyncio.sleep(RETRY_S)
            else:
                self.started = True
        log.info("ready to work")

    @property
    def is_serving(self) -> bool:
        """Whether requests are answered here, if only with "not now": what a proxy in front of all replicas asks.

        When the primary is away no replica is ready. A proxy that asked for that would be left without a server: it
        would turn away lists that can still be shown, and notice the end of the outage later than the replicas do.
        """
        return self.started and not self.draining

    async def is_ready(self) -> bool:
        """Whether everything works from here: serving, and the database answered within half a second."""
        if not self.is_serving:
            return False
        async with self._checking:
            if time.monotonic() - self._checked_s > FRESH_S:
                self._answered = await self._ask()
                self._checked_s = time.monotonic()
        return self._answered

    async def _ask(self) -> bool:
        try:
            await self._database.read("SELECT 1", within_s=CHECK_S)
        except DatabaseUnavailableError:
            return False
        return True
