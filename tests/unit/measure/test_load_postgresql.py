import psycopg
import pytest

from bascule.measure.load_postgresql import may_have_happened


@pytest.mark.parametrize(
    ("error", "undecided"),
    [
        (psycopg.OperationalError("server closed the connection unexpectedly"), True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.CrashShutdown(), True),
        (psycopg.errors.ConnectionFailure(), True),
        (psycopg.errors.ReadOnlySqlTransaction(), False),
        (psycopg.errors.UndefinedTable(), False),
        (psycopg.errors.DiskFull(), False),
    ],
)
def test_only_an_error_that_rolls_back_decides_a_write(error: psycopg.Error, undecided: bool) -> None:
    assert may_have_happened(error) is undecided
