"""What docs/guard-http.md and docs/telemetry.md show runs."""

import re
import types
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SNIPPETS = [
    pytest.param(code, id=f"{page} {number}")
    for page in ("guard-http.md", "telemetry.md")
    for number, code in enumerate(SNIPPET.findall((DOCS / page).read_text()), 1)
]


def test_the_pages_have_snippets() -> None:
    assert len(SNIPPETS) == 8


@pytest.mark.parametrize("code", SNIPPETS)
def test_a_snippet_does_what_it_says(code: str) -> None:
    module = types.ModuleType("snippet")
    exec(compile(code, "snippet", "exec"), module.__dict__)  # noqa: S102 - the pages are our own
    client = vars(module).get("client")
    if client is not None:
        client.close()
