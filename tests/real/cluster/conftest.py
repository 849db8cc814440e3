"""Children of other tests are nobody's business here."""

from __future__ import annotations

import pytest
from tests.real.cluster.rig_command import pass_over_children_of_others


@pytest.fixture(autouse=True)
def children_of_others() -> None:
    """What runs before a test begins was not begun by it."""
    pass_over_children_of_others()
