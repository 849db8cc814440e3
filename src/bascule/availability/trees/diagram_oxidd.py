"""The same diagrams made by the library OxiDD, which is faster on large ones; it is optional. Pure.

What comes out are the house's own plain lists, so that all that is worked out of a diagram is one code for both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bascule.availability.trees.diagram import BudgetSpentError, Diagram
from bascule.kernel.errors import MissingProgramError

if TYPE_CHECKING:
    from oxidd.bdd import BDDFunction, BDDManager

CACHE_ENTRIES = 1 << 20
LEAST_NODES = 1 << 10
EACH = 4096


class OxiddDiagrams:
    """Decision diagrams in OxiDD, behind the contract that the own ones keep.

    Args:
        order: For each level, from the root down, the input that it asks for.
        manager: What holds the nodes, and how many of them it holds; its levels serve for one module after the other.
        expired: Whether time is up; it is asked between operations, not within one.
    """

    def __init__(self, order: Sequence[int], manager: BDDManager, expired: Callable[[], bool]) -> None:
        self._order = tuple(order)
        self._expired = expired
        self._manager = manager
        if len(order) > manager.num_vars():
            manager.add_vars(len(order) - manager.num_vars())
        self._level_of = {one: level for level, one in enumerate(order)}

    def constant(self, failed: bool) -> BDDFunction:
        """The end true or false."""
        return self._manager.true() if failed else self._manager.false()

    def variable(self, one: int) -> BDDFunction:
        """The node that asks for this input alone."""
        return self._made(lambda: self._manager.var(self._level_of[one]))

    def join(self, first: BDDFunction, second: BDDFunction) -> BDDFunction:
        """What fails when either does."""
        return self._made(lambda: first | second)

    def meet(self, first: BDDFunction, second: BDDFunction) -> BDDFunction:
        """What fails when both do."""
        return self._made(lambda: first & second)

    def choose(self, test: BDDFunction, then: BDDFunction, otherwise: BDDFunction) -> BDDFunction:
        """What fails when `then` does if `test` does, and when `otherwise` does if not."""
        return self._made(lambda: test.ite(then, otherwise))

    def _made(self, make: Callable[[], BDDFunction]) -> BDDFunction:
        if self._expired():
            raise BudgetSpentError("the decision diagram was not done in time")
        try:
            return make()
        except MemoryError as error:  # its own error of too many nodes is one
            raise BudgetSpentError("the decision diagram has more nodes than there may be") from error

    def tidy(self, live: list[BDDFunction | None]) -> list[BDDFunction | None]:
        """The same functions; the library throws away by itself what nobody holds."""
        return live

    def finished(self, root: BDDFunction) -> Diagram:
        """The diagram of a function as plain lists."""
        levels = len(self._order)
        place: dict[BDDFunction, int] = {}
        seen: list[tuple[int, BDDFunction, BDDFunction, BDDFunction]] = []
        stack = [root]
        place[self.constant(failed=False)], place[self.constant(failed=True)] = 0, 1
        met = set(place)
        while stack:
            node = stack.pop()
            if node in met:
                continue
            met.add(node)
            ways = node.cofactors()
            level = node.node_level()
            if ways is None or level is None:
                raise BudgetSpentError("the library gave up an inner node")
            high, low = ways
            seen.append((level, node, low, high))
            stack += (low, high)
            if not len(seen) % EACH and self._expired():
                raise BudgetSpentError("the decision diagram was not done in time")
        seen.sort(key=lambda one: -one[0])
        for number, (_, node, _, _) in enumerate(seen, 2):
            place[node] = number
        return Diagram(
            self._order,
            (levels, levels, *(level for level, _, _, _ in seen)),
            (0, 1, *(place[low] for _, _, low, _ in seen)),
            (0, 1, *(place[high] for _, _, _, high in seen)),
            place[root],
        )


def manager(most_nodes: int) -> BDDManager:
    """What holds this many nodes.

    Raises:
        MissingProgramError: The library is not installed.
    """
    try:
        from oxidd.bdd import BDDManager  # noqa: PLC0415 - an optional library is asked for where it is used
    except ImportError as error:
        raise MissingProgramError(
            "the library oxidd is not installed", hint="install bascule[oxidd], or use the own engine"
        ) from error
    return BDDManager(max(most_nodes, LEAST_NODES), CACHE_ENTRIES, 1)
