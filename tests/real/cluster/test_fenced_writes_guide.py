"""What docs/cluster-fenced-writes.md shows runs."""

from __future__ import annotations

import re
import types
from pathlib import Path

import psycopg
import pytest
from tests.real.cluster.postgresql_server import running

pytestmark = pytest.mark.real

PAGE = Path(__file__).parents[3] / "docs" / "cluster-fenced-writes.md"
BLOCKS = {
    kind.strip() or language: text
    for language, kind, text in re.findall(r"^```(\w+)( \w+)?\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
}


def run(kind: str) -> None:
    exec(compile(BLOCKS[kind], kind, "exec"), types.ModuleType("snippet").__dict__)  # noqa: S102 - the page is our own


def test_the_page_shows_something_of_each_kind() -> None:
    assert set(BLOCKS) == {"text", "sqlite", "postgresql", "trigger", "sql"}


@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
def test_in_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    run("sqlite")
    (told,) = re.findall(r"# (the token .*)", BLOCKS["sqlite"])
    assert capsys.readouterr().out == f"{told}\n"


def test_in_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path) as server:
        monkeypatch.setenv("DATABASE", server.conninfo)
        run("postgresql")
        assert server.sql("SELECT day FROM reports ORDER BY day") == [("monday",), ("tuesday",)]
        run("trigger")
        server.sql(BLOCKS["sql"])
        assert server.sql("SELECT amount FROM payments") == [(100,)]
        with pytest.raises(psycopg.DatabaseError, match="33 of nightly-report is too old: 34 has written since"):
            server.sql(BLOCKS["sql"].replace("34", "33"))
        with psycopg.connect(f"{server.conninfo} options='-c bascule.token=nightly-report:34'") as connection:
            connection.execute("INSERT INTO payments VALUES (1)")
