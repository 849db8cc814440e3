"""How does one call survive? Policies that guard it, each alone or several as one guard."""

from typing import TYPE_CHECKING

from bascule.guard.backoff import Exponential, Fixed
from bascule.guard.bulkhead import Bulkhead
from bascule.guard.cache import Cache
from bascule.guard.circuit_breaker.outcomes import Consecutive, CountWindow, TimeWindow
from bascule.guard.circuit_breaker.policy import CircuitBreaker
from bascule.guard.circuit_breaker.states import State
from bascule.guard.deadline import Deadline, remaining_s
from bascule.guard.errors import (
    BulkheadFullError,
    CallRefusedError,
    CallTimeoutError,
    CircuitOpenError,
    DeadlineExceededError,
    DegradedError,
    InjectedError,
    LimitReachedError,
    RateLimitedError,
    WorkersBusyError,
)
from bascule.guard.fallback import Fallback, Stale
from bascule.guard.guard import Guard
from bascule.guard.hedge import Hedge
from bascule.guard.policy import Policy
from bascule.guard.rate_limit import RateLimit
from bascule.guard.retry import Retry
from bascule.guard.retry_budget import RetryBudget
from bascule.guard.shapes import NotGuardableError
from bascule.guard.stream import FACTS, Stream
from bascule.guard.timeout import AdaptiveTimeout, Timeout
from bascule.guard.world import World
from bascule.kernel.later import later

if TYPE_CHECKING:
    from bascule.guard.adaptive_limit import AdaptiveLimit
    from bascule.guard.configuration import Guards
    from bascule.guard.degrade import Degrade, Level, ServiceLevels, circuit_is_open
    from bascule.guard.inject.disturbances import DISTURBANCES, Disturbances
    from bascule.guard.inject.permission import InjectionRefusedError
    from bascule.guard.inject.policies import InjectCorruption, InjectError, InjectLatency, InjectResult
    from bascule.guard.limits import Aimd, Gradient2, Vegas

# What few need: a third of what importing the whole would take.
__getattr__ = later(__name__, {
    "AdaptiveLimit": "adaptive_limit", "Aimd": "limits", "Gradient2": "limits", "Vegas": "limits",
    "Degrade": "degrade", "Level": "degrade", "ServiceLevels": "degrade", "circuit_is_open": "degrade",
    "Guards": "configuration",
    "DISTURBANCES": "inject.disturbances", "Disturbances": "inject.disturbances",
    "InjectionRefusedError": "inject.permission", "InjectCorruption": "inject.policies",
    "InjectError": "inject.policies", "InjectLatency": "inject.policies", "InjectResult": "inject.policies",
})  # fmt: skip

__all__ = [
    "DISTURBANCES", "FACTS", "AdaptiveLimit", "AdaptiveTimeout", "Aimd", "Bulkhead", "BulkheadFullError", "Cache",
    "CallRefusedError", "CallTimeoutError", "CircuitBreaker", "CircuitOpenError", "Consecutive",
    "CountWindow", "Deadline", "DeadlineExceededError", "Degrade", "DegradedError", "Disturbances", "Exponential",
    "Fallback", "Fixed", "Gradient2", "Guard", "Guards", "Hedge", "InjectCorruption", "InjectError", "InjectLatency",
    "InjectResult", "InjectedError", "InjectionRefusedError", "Level", "LimitReachedError", "NotGuardableError",
    "Policy", "RateLimit", "RateLimitedError", "Retry", "RetryBudget", "ServiceLevels", "Stale", "State",
    "Stream", "TimeWindow", "Timeout", "Vegas", "WorkersBusyError", "World", "circuit_is_open", "remaining_s",
]  # fmt: skip
