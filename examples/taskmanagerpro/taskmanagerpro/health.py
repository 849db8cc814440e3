"""Four questions that probes ask: live, started, ready (its database answers now), serving (not about to end).

The first three are bascule's; *live* asks no check at all: that it is answered shows that the event loop comes round.
"""

from __future__ import annotations

import asyncio
import logging

from bascule.health import Check, Health
from taskmanagerpro.database import Database, DatabaseUnavailableError, UndecidedError
from taskmanagerpro.tasks import Tasks

CHECK_S = 0.5
FRESH_S = 0.2
RETRY_S = 0.25

log = logging.getLogger(__name__)


class Probes:
    """What the probes ask. A probe costs the database at most one statement per `FRESH_S` seconds."""

    def __init__(self, database: Database) -> None:
        self.health = Health()
        self.health.bus.subscribe(lambda fact: log.info("%s", fact))
        self._database = database
        self._is_prepared = False
        # The statement has its own bound, after which its connection is cut; the check's is there to see that it has.
        self.health.add("database", Check(self._ask, "dependency"), timeout_s=2 * CHECK_S, fresh_s=FRESH_S)
        self.health.add("schema", Check(lambda: self._is_prepared, "dependency"), probes=("startup",), fresh_s=0)

    async def start(self, tasks: Tasks) -> None:
        """Prepare the schema, for as long as it takes: a database that is not there yet is no reason to end."""
        said = ""
        while not self._is_prepared:
            try:
                await tasks.prepare()
            except (DatabaseUnavailableError, UndecidedError) as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("waiting for the database: %s", said)
                await asyncio.sleep(RETRY_S)
            else:
                self._is_prepared = True
        log.info("ready to work")

    @property
    def is_serving(self) -> bool:
        """Whether requests are answered here, if only with "not now": what a proxy in front of all replicas asks.

        When the primary is away no replica is ready. A proxy that asked for that would be left without a server: it
        would turn away lists that can still be shown, and notice the end of the outage later than the replicas do.
        """
        return self._is_prepared and not self.health.is_leaving

    async def _ask(self) -> None:
        await self._database.read("SELECT 1", within_s=CHECK_S)
