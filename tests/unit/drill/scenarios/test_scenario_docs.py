"""The page on experiments says what there is, and what it shows can be run as it stands."""

import re
from pathlib import Path

import pytest

from bascule.drill.scenarios import catalogue, rules
from bascule.drill.stories import shelf
from bascule.system import load, parse_experiments
from bascule.system.scenario import Blast, Ramp, Repeat, Scenario, Step, Stop, Whom

DOCS = Path(__file__).parents[4] / "docs"
PAGE = (DOCS / "experiments.md").read_text()
EXAMPLE = load(DOCS.parent / "examples" / "taskmanagerpro" / "bascule.yaml")


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_every_example_fits_the_example_system(text: str) -> None:
    assert parse_experiments(text, "docs", lambda found: rules.check(EXAMPLE, found))


def test_every_key_is_on_the_page() -> None:
    kinds = (Scenario, Step, Whom, Repeat, Ramp, Stop, Blast)
    fields = {field for kind in kinds for field in kind.__struct_encode_fields__}
    missing = {field for field in fields if not re.search(rf"\b{field}\b", PAGE)}
    assert missing <= {"source"}, missing


def test_every_experiment_that_ships_is_on_the_page_with_what_it_does() -> None:
    for name, one in catalogue.library().items():
        assert f"| `{name}` | {one.about} |" in PAGE


@pytest.mark.parametrize("name", shelf.stories())
def test_every_story_has_a_page_that_names_its_source_and_how_to_run_it(name: str) -> None:
    page = (DOCS / "stories" / f"{name}.md").read_text()
    assert shelf.story(name).source in page
    assert f"bascule drill --story {name}" in page


@pytest.mark.parametrize("name", shelf.stories())
def test_every_story_is_a_system_with_one_sound_experiment_of_its_name(name: str) -> None:
    told = shelf.story(name)
    system = load(Path(told.path))
    assert list(system.experiments) == [name]
    assert list(rules.check(system, system.experiments)) == []
    assert told.source.startswith("https://")
    assert told.title
    assert told.about
