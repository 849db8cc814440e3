"""What is typical of a PostgreSQL component under Patroni, and what follows from its options. Pure."""

from __future__ import annotations

from msgspec import structs

from bascule.availability.figures import TYPICAL, Figures
from bascule.engines import decoding
from bascule.engines.haproxy.figures import welcomed_s
from bascule.engines.postgresql.options import Options, is_synchronous
from bascule.kernel.quantities import Duration, Share
from bascule.system.model import System

PROMOTION_S = 1.0
ASYNCHRONOUS = Duration(1.0)
"""An assumption: a standby that streams is a second behind. Under load or over a slow line it is more."""
_LAG = (
    "an asynchronous standby that is more than {} behind is not promoted, and what it had not yet received is lost:"
    " the figures show neither"
)

FIGURES = (
    TYPICAL.but("redundancy", "standby", "one primary takes every write")
    .but("needed", "one", "the list of synchronous standbys shrinks to nobody, so that the last member serves")
    .but("mttr", Duration(3600.0), "assumption: an hour until a standby is rewound or cloned, and streams again")
    .but("coverage", Share(0.95), "assumption: one failover in twenty does not work, for data is at stake")
    .but("failover", Duration(22.0), "ttl 20s + loop_wait 1s + 1s for the promotion, an assumption")
)
"""With the tightest times that Patroni accepts, which are the defaults here."""


def figures(system: System, name: str) -> Figures:
    """The typical figures, with a failover as it follows from Patroni's times and from the checks of the proxies."""
    options = decoding.of(system.components[name], Options)
    seen_s = welcomed_s(system, name)
    total_s = options.ttl.seconds + options.loop_wait.seconds + PROMOTION_S + seen_s
    source = (
        f"at most ttl {options.ttl} + loop_wait {options.loop_wait} + {PROMOTION_S:g}s for the promotion, an assumption"
        + (f" + {seen_s:g}s until the proxies see the new primary" if seen_s else "")
    )
    parts = (
        ("the primary's lease runs out", options.ttl),
        ("a standby looks", options.loop_wait),
        ("it is promoted", Duration(PROMOTION_S)),
        *((("the proxies see it", Duration(seen_s)),) if seen_s else ()),
    )
    found = structs.replace(FIGURES.but("failover", Duration(total_s), source), parts=parts)
    if is_synchronous(system, options):
        return structs.replace(found, lost=Duration(0.0))
    return structs.replace(found, remark=_LAG.format(options.maximum_lag), lost=ASYNCHRONOUS)
