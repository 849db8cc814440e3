"""Who guards no httpx client does not pay for httpx, and what is named is there."""

import subprocess
import sys

import pytest

import bascule.guard.http


def test_httpx_is_imported_only_for_the_transports() -> None:
    code = (
        "import sys\n"
        "import bascule.guard.http as http\n"
        "http.by_host\n"
        "assert not {'httpx', 'asyncio'} & set(sys.modules), 'at once'\n"
        "http.GuardMiddleware\n"
        "assert 'httpx' not in sys.modules, 'for the middleware'\n"
        "http.GuardedTransport\n"
        "assert 'httpx' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_everything_that_is_named_is_there() -> None:
    assert all(getattr(bascule.guard.http, name) for name in bascule.guard.http.__all__)
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = bascule.guard.http.nothing_of_the_kind
