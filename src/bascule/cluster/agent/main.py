"""Runs an agent as a process: with its log, its metrics and its service manager."""

from __future__ import annotations

import asyncio
import logging
import sys

from bascule.cluster.agent import metrics
from bascule.cluster.agent.agent import Agent
from bascule.cluster.agent.configuration import Configuration
from bascule.cluster.agent.notify import ServiceManager
from bascule.kernel.facts import Bus
from bascule.telemetry.log import LOGGER, LogFacts


def run(configuration: Configuration) -> None:
    """Take part until SIGTERM or SIGINT; everything is given back and undone when this returns.

    Raises:
        BasculeError: The agent cannot begin, or something cannot be undone.
    """
    asyncio.run(_run(configuration))


async def _run(configuration: Configuration) -> None:
    bus = Bus()
    if configuration.telemetry.log:
        bus.subscribe(LogFacts(_logger()))
    agent = Agent(configuration, bus.publish, ServiceManager())
    if not configuration.telemetry.metrics:
        await agent.run()
        return
    listener, end = metrics.serve(configuration.telemetry.metrics, agent.status)
    bus.subscribe(listener)
    try:
        await agent.run()
    finally:
        await asyncio.to_thread(end)


def _logger() -> logging.Logger:
    """The logger of facts, on standard error, one line each; the service manager adds the time."""
    logger = logging.getLogger(LOGGER)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger
