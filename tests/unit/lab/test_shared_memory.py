"""Which shared memory segments are orphans of a lab: those of its killed processes, and no one else's."""

import pytest

from bascule.lab.shared_memory import orphans

TABLE = """\
       key      shmid perms                  size  cpid  lpid nattch   uid   gid      atime      dtime      ctime
   2208845          5   600                    56  100   101      0  1001  1001 1795623671 1795623672       2000
   2208846          6   600                    56  100   101      1  1001  1001 1795623671 1795623672       2000
   2208847          7   600                    56  200   201      0  1001  1001 1795623671 1795623672       2000
   2208848          8   600                    56  100   101      0  1001  1001 1795623671 1795623672       1000
"""


def test_only_what_a_killed_process_made_in_this_lifetime_and_nobody_uses() -> None:
    assert orphans(TABLE, {100}, 1500.5) == (5,)
    assert orphans(TABLE, {100, 200}, 0.0) == (5, 7, 8)
    assert orphans(TABLE, (), 0.0) == ()


@pytest.mark.parametrize("table", ["", "key shmid\n1 2\n", "shmid cpid nattch ctime\na b c d\n", "\n\n"])
def test_a_table_that_tells_less_names_nothing(table: str) -> None:
    assert orphans(table, {100}, 0.0) == ()
