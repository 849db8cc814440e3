"""Checks that are ready to be registered, each bounded in time; what they look at is declared by each.

A check that asks another program says `dependency`, and so does the disk: a restart would mend neither. The event loop
and a thread's heartbeat are the process's own.
"""

from bascule.health.checks.disk import disk_free
from bascule.health.checks.event_loop import event_loop
from bascule.health.checks.heartbeat import Heartbeat
from bascule.health.checks.http import http
from bascule.health.checks.postgresql import postgresql, postgresql_query
from bascule.health.checks.redis import redis

__all__ = ["Heartbeat", "disk_free", "event_loop", "http", "postgresql", "postgresql_query", "redis"]
