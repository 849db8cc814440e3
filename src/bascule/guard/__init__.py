"""How does one call survive? Policies that guard it, each alone or several as one guard."""

from bascule.guard.backoff import Exponential, Fixed
from bascule.guard.bulkhead import Bulkhead
from bascule.guard.circuit_breaker.outcomes import Consecutive, CountWindow, TimeWindow
from bascule.guard.circuit_breaker.policy import CircuitBreaker
from bascule.guard.deadline import Deadline
from bascule.guard.errors import (
    BulkheadFullError,
    CallRefusedError,
    CallTimeoutError,
    CircuitOpenError,
    DeadlineExceededError,
    DegradedError,
    LimitReachedError,
    RateLimitedError,
    WorkersBusyError,
)
from bascule.guard.guard import Guard
from bascule.guard.policy import Policy
from bascule.guard.retry import Retry
from bascule.guard.retry_budget import RetryBudget
from bascule.guard.shapes import NotGuardableError
from bascule.guard.stream import FACTS, Stream
from bascule.guard.timeout import AdaptiveTimeout, Timeout
from bascule.guard.world import World

__all__ = [
    "FACTS", "AdaptiveTimeout", "Bulkhead", "BulkheadFullError", "CallRefusedError", "CallTimeoutError",
    "CircuitBreaker", "CircuitOpenError", "Consecutive", "CountWindow", "Deadline", "DeadlineExceededError",
    "DegradedError", "Exponential", "Fixed", "Guard", "LimitReachedError", "NotGuardableError", "Policy",
    "RateLimitedError", "Retry", "RetryBudget", "Stream", "TimeWindow", "Timeout", "WorkersBusyError",
    "World",
]  # fmt: skip
