"""Runs an agent as a process: with its log, its metrics and its service manager."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping

from bascule.cluster.agent import metrics
from bascule.cluster.agent.agent import Agent
from bascule.cluster.agent.configuration import Configuration
from bascule.cluster.agent.log_line import Writer, line
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
    writer = Writer(sys.stderr.fileno())
    try:
        await _run_with(configuration, writer)
    finally:
        await asyncio.to_thread(writer.close)


async def _run_with(configuration: Configuration, writer: Writer) -> None:
    bus = Bus()
    if configuration.telemetry.log:
        bus.subscribe(LogFacts(_logger(writer)))
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


class FactLines(logging.Formatter):
    """One JSON object for each fact, with the wall clock's `time` (UTC) and the `level`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told: Mapping[str, object] = getattr(record, "bascule", {"text": record.getMessage()})
        return line(record.levelname, told, record.created)


class _Aside(logging.Handler):
    """Hands lines to a writer."""

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Have it written."""
        self._writer.write(self.format(record))


def _logger(writer: Writer) -> logging.Logger:
    """The logger of facts, on standard error, one JSON object a line."""
    logger = logging.getLogger(LOGGER)
    handler = _Aside(writer)
    handler.setFormatter(FactLines())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger
