"""What docs/guard-shared.md shows runs, with Redis and without."""

from __future__ import annotations

import re
import types
from pathlib import Path

import pytest
from guard_redis import RedisServer, free_port, redis_server

PAGE = Path(__file__).parents[2] / "docs" / "guard-shared.md"
(SNIPPET,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def run(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    exec(compile(SNIPPET, "snippet", "exec"), types.ModuleType("snippet").__dict__)  # noqa: S102 - the page is our own


def test_the_snippet_runs_without_redis(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(f"redis://127.0.0.1:{free_port()}", monkeypatch)
    assert capsys.readouterr().out == "paid 7\n"


@pytest.mark.real
@pytest.mark.skipif(redis_server() is None, reason="needs redis-server (package redis-server) and setpriv (util-linux)")
def test_the_snippet_runs_with_redis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        run(server.url, monkeypatch)
    finally:
        server.kill()
    assert capsys.readouterr().out == "paid 7\n"
