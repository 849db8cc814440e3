"""What docs/health.md shows runs: its servers serve, and end in peace when they are told to."""

from __future__ import annotations

import http.client
import re
import runpy
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bascule.kernel.errors import InputError

pytestmark = pytest.mark.real

PAGE = Path(__file__).parents[2] / "docs" / "health.md"
BLOCKS = re.findall(r"^```python *(\w*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
DEADLINE_S = 30.0


def snippets(kind: str) -> list[str]:
    return [text for name, text in BLOCKS if name == kind]


def test_the_page_shows_something_of_each_kind() -> None:
    assert {name for name, _ in BLOCKS} == {"", "refused", "serve"}


@pytest.mark.parametrize("text", snippets(""))
def test_a_snippet_runs(text: str, tmp_path: Path) -> None:
    (tmp_path / "snippet.py").write_text(text)
    runpy.run_path(str(tmp_path / "snippet.py"))


@pytest.mark.parametrize("text", snippets("refused"))
def test_what_is_refused_is_refused_in_the_words_of_the_page(text: str, tmp_path: Path) -> None:
    (tmp_path / "snippet.py").write_text(text)
    (message,) = re.findall(r"# InputError: (.*)", text)
    with pytest.raises(InputError) as refused:
        runpy.run_path(str(tmp_path / "snippet.py"))
    assert refused.value.what == message


def ready(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@pytest.mark.parametrize("text", snippets("serve"))
def test_a_server_serves_and_leaves(text: str, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert "8000" in text
    # Nobody else listens here; and the drain, which its own tests watch, is no use to this one.
    text = text.replace("8000", str(port)).replace("drain_s=5.0", "drain_s=0.0")
    text = text.replace("stop=server.shutdown", "stop=server.shutdown, drain_s=0.0")
    (tmp_path / "server.py").write_text(text)
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "server.py"], cwd=tmp_path, stdout=log, stderr=log)
    try:
        deadline_s = time.monotonic() + DEADLINE_S
        while ready(port) != 200:
            is_in_time = server.poll() is None and time.monotonic() < deadline_s
            assert is_in_time, (tmp_path / "log").read_text()
            time.sleep(0.05)
        server.send_signal(signal.SIGTERM)
        assert server.wait(DEADLINE_S) == 0
    finally:
        server.kill()
        server.wait()
