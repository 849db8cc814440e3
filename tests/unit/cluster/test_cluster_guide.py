"""What the pages on the cluster show is what an agent's file may say."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from bascule.cluster.agent import registry
from bascule.cluster.agent.configuration import load

DOCS = Path(__file__).parents[3] / "docs"
HEAD = '[agent]\ncluster = "shop"\nname = "n1"\n[store]\nkind = "sqlite"\npath = "/var/lib/leases.db"\n'
PAGES = ("cluster.md", "cluster-actuators.md", "cluster-stores.md", "cluster-fencing.md")


def tables() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for page in PAGES:
        shown = re.findall(r"^```toml\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
        found += [(f"{page}-{number}", text) for number, text in enumerate(shown)]
    return found


@pytest.mark.parametrize("text", [text for _, text in tables()], ids=[name for name, _ in tables()])
def test_every_table_is_understood(text: str, tmp_path: Path) -> None:
    own = set(re.findall(r"^\[([a-z]+)", text, re.MULTILINE))
    head = HEAD
    if "agent" in own:
        head = head.partition("[store]")[2] and "[store]" + head.partition("[store]")[2]
    if "store" in own:
        head = head.partition("[store]")[0] if "agent" not in own else ""
    groups = "" if "groups" in own else "\n[groups.g]\n"
    path = tmp_path / "agent.toml"
    path.write_text(f"{head}\n{groups}\n{text}")
    load(path)


@pytest.mark.parametrize(
    ("family", "kind"), [(family, kind) for family, kinds in registry.KINDS.items() for kind in kinds]
)
def test_every_kind_that_a_file_may_name_is_there(family: str, kind: str) -> None:
    module = importlib.import_module(registry.KINDS[family][kind])
    assert callable(module.make)
    assert module.Options.__struct_config__.tag == kind
