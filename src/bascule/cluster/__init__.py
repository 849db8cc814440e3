"""Who is in charge now, and who no longer is?

For applications: `Leadership`, a block that runs in one process at a time, and `guarded`, which has the database refuse
what is written in the name of a term that is over. For services: `bascule agent run`.
"""

from typing import TYPE_CHECKING

from bascule.kernel.later import later

if TYPE_CHECKING:
    from bascule.cluster.fencing.guarded import FENCES_SQL, fence_sql, guarded
    from bascule.cluster.leadership import Leadership
    from bascule.cluster.term import Term

__getattr__ = later(
    __name__,
    {
        "Leadership": "leadership",
        "Term": "term",
        "guarded": "fencing.guarded",
        "fence_sql": "fencing.guarded",
        "FENCES_SQL": "fencing.guarded",
    },
    extra="cluster",
)

__all__ = ["FENCES_SQL", "Leadership", "Term", "fence_sql", "guarded"]
