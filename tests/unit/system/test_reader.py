"""A system file is read whole, or everything that is wrong with it is said at once, each at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration, Rate, Share
from bascule.system import Finding, SystemFileError, load, load_located, parse, parse_located
from bascule.system.model import Need, System
from bascule.system.starter import STARTER

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").rglob("*.yaml"))


def told(text: str) -> list[str]:
    """Each problem of a text as one line."""
    with pytest.raises(SystemFileError) as refused:
        parse(text, "a.yaml")
    return str(refused.value).splitlines()


def broken(was: str, becomes: str) -> list[str]:
    """What is said about the starter when one piece of it is replaced."""
    assert was in STARTER
    return told(STARTER.replace(was, becomes, 1))


def test_the_starter_becomes_a_system() -> None:
    system = parse(STARTER, "starter.yaml")
    assert system.system == "my-system"
    assert system.zones == ("paris-a", "lyon-a", "witness-a")
    assert system.objectives.availability.target == Share(0.999)
    assert system.objectives.disruptions["zone"].rpo == Duration(0.0)
    assert system.components["database"].needs == {"consensus": Need(kind="hard")}
    assert system.components["database"].options["ttl"] == "20s"
    assert system.workload.rate == Rate(50.0)
    assert system.links[0].between == ("paris", "lyon")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_read(path: Path) -> None:
    assert isinstance(load(path), System)


def test_every_problem_is_told_in_one_go_each_at_its_place() -> None:
    text = STARTER
    for was, becomes in (
        ("target: 99.9%", "target: 99.9"),
        ("regions:", "regons:"),
        ("replicas: {paris-a: 1, lyon-a: 1, witness-a: 1}", "replicas: {paris-a: one, lyon-z: 1}"),
        ("engine: haproxy", "engin: haproxy"),
        ("through: proxy", "through: prox"),
        ("rate: 50/s", "rate: 50"),
    ):
        text = text.replace(was, becomes, 1)
    lines = told(text)
    assert [line.split(": ", 2)[1:] for line in lines] == [
        ["objectives.availability.target", "'99.9' has no unit (did you mean 99.9%?)"],
        ["regons", "unknown key 'regons' (did you mean 'regions'?)"],
        ["components.consensus.replicas.paris-a", "'one' where a whole number is needed (write it like 1)"],
        ["components.consensus.replicas.lyon-z", "unknown zone 'lyon-z' (did you mean 'lyon-a'?)"],
        ["components.proxy.engin", "unknown key 'engin' (did you mean 'engine'?)"],
        ["workload.through", "unknown component 'prox' (did you mean 'proxy'?)"],
        ["workload.rate", "'50' has no unit (did you mean 50/s?)"],
    ]
    row = text.splitlines().index("regons:") + 1
    assert lines[1].startswith(f"a.yaml:{row}:1: ")


def test_a_misspelt_key_is_read_on_as_the_one_that_was_meant() -> None:
    lines = told(STARTER.replace("objectives:", "objektives:").replace("within: 250ms", "within: 250"))
    assert "did you mean 'objectives'?" in lines[0]
    assert "objectives.latency.within: '250' has no unit" in lines[1]
    assert lines[1].startswith("a.yaml:14:21: ")


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("system: my-system", "system: My System", "system: 'My System' is not a name"),
        ("system: my-system", "system: 12", "system: '12' is not text (put it in quotes: \"12\")"),
        ("system: my-system\n", "", "system: is missing (add system: name)"),
        ("percentile: 99", "percentile: 100", "100 is out of bounds (it must be more than 0 and less than 100)"),
        ("percentile: 99", "percentile: [99]", "a list of 1 where a number is needed (write it like 1.5)"),
        ("    process: {", "    proces: {", "unknown key 'proces' (did you mean 'process'?)"),
        ("zones: [lyon-a]", "zones: []", "regions.lyon.zones: is empty (write it like [name])"),
        ("zones: [lyon-a]", "zones: lyon-a", "'lyon-a' where a list is needed (write it like [name])"),
        (
            "lyon-a: 1, witness-a: 1",
            "lyon-a: 100, witness-a: 1",
            "100 is out of bounds (it must be at least 0 and at mo",
        ),
        ("lyon-a: 1, witness-a: 1", "lyon-a: 1.5, witness-a: 1", "'1.5' where a whole number is needed"),
        ("lyon-a: 1, witness-a: 1", "lyon-a: true, witness-a: 1", "'true' where a whole number is needed"),
        ("needs: {consensus: hard}", "needs: {consensus: herd}", "'herd' cannot be here (did you mean 'hard'?)"),
        ("needs: {consensus: hard}", "needs: [consensus]", "a list of 1 where a group of keys is needed"),
        ("between: [paris, lyon]", "between: [paris]", "a list of 1 where a list of 2 is needed"),
        ("protocol: postgresql", "protocol: postgres", "'postgres' cannot be here (did you mean 'postgresql'?)"),
        ("deadline: 1s ", "deadline: soon ", "'soon' is not a duration (write it like 250ms, 30s"),
        ("deadline: 1s ", "deadline: [1s] ", "a list of 1 where a duration is needed (write it like 250ms)"),
        ("deadline: 1s ", "deadline: ", "nothing where a duration is needed (write it like 250ms)"),
        (
            "engine: haproxy",
            "engine: haproxy\n    colour: red",
            "unknown key 'colour' (there are backup, engine, needs",
        ),
        ("engine: haproxy", "engine: haproxy\n    engine: etcd", "components.proxy.engine: duplicate key (first giv"),
        ("options:\n      ttl: 20s", "options: &o\n      ttl: 20s", "an anchor (&o) is not allowed"),
        ("ttl: 20s", "ttl: *o", "components.database.options.ttl: an alias (*o) is not allowed (write the value out)"),
        ("ttl: 20s", "ttl: !!str 20s", "a tag (!...) is not allowed"),
        ("ttl: 20s", 'ttl: "a\\0b"', "the text has the character '\\x00'"),
        ("ttl: 20s", '"a\\ud800": 1', "the text has the character '\\ud800'"),
        ("ttl: 20s", "? [a]\n      : 1", "a key must be a single word"),
    ],
)
def test_one_mistake_is_one_problem_with_its_remedy(was: str, becomes: str, said: str) -> None:
    lines = broken(was, becomes)
    assert len(lines) == 1, lines
    assert said in lines[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a.yaml:1:1: the file is empty (`bascule init` writes a starter)"),
        ("# nothing\n", "a.yaml:1:1: the file is empty"),
        ("a: [1, {b: c}", "a.yaml:1:14: this is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: b: c", "a.yaml:1:5: this is not YAML: mapping values are not allowed here (put text that has"),
        ("a:\n\tb: c", "(indent with spaces, never with tabs)"),
        ("a\n\nb\x01", "a.yaml:3:2: a character that no text file has"),
        ('a: "\\UFFFFFFFF"', "a.yaml:1:1: this is not YAML"),
        ("a: 1\n---\nb: 2", "a.yaml:2:1: a second document begins here (one file describes one system)"),
        ("[" * 100_000, "nested deeper than 24 levels"),
        ("- a\n" * 30_000, "more than 20000 values"),
        (" " * (2**20 + 1), "the file is larger than 1 MiB"),
    ],
)
def test_what_is_no_system_file_at_all_is_told_in_one_line(text: str, said: str) -> None:
    lines = told(text)
    assert len(lines) == 1
    assert said in lines[0]


def test_yaml_1_1_has_no_say() -> None:
    assert any("YAML 1.1 is not read here" in line for line in told("%YAML 1.1\n---\n" + STARTER))
    options = parse(STARTER.replace("ttl: 20s", "a: no\n      b: on\n      c: 1_000\n      d: 010\n      e: 1:30"), "a")
    assert [options.components["database"].options[key] for key in "abcde"] == ["no", "on", "1_000", 10, "1:30"]


def test_options_are_plain_data_just_as_written() -> None:
    written = 'ttl: {a: [1, 2.5, true, null, "7", 9999999999999999999], b: .inf, "true": x}'
    options = parse(STARTER.replace("ttl: 20s", written), "a").components["database"].options
    assert options["ttl"] == {
        "a": [1, 2.5, True, None, "7", "9999999999999999999"],
        "b": ".inf",
        "true": "x",
    }


def test_needs_may_be_written_as_a_word_or_in_full() -> None:
    text = STARTER.replace("needs: {consensus: hard}", 'needs: {consensus: {kind: soft, degrades: "slower"}}')
    assert parse(text, "a").components["database"].needs == {"consensus": Need(kind="soft", degrades="slower")}


def test_positions_name_every_place_also_below_options() -> None:
    system, positions = parse_located(STARTER, "a.yaml")
    lines = STARTER.splitlines()
    row = next(number for number, line in enumerate(lines, 1) if "ttl: 20s" in line)
    assert positions.at("components.database.options.ttl") == f"a.yaml:{row}:12"
    assert positions.at("components.database.options.ttl", key=True) == f"a.yaml:{row}:7"
    assert positions.at("components.database.options.nothing.here") == f"a.yaml:{row - 1}:5"
    assert positions.at("links[1].between[0]") == f"a.yaml:{lines.index('links:') + 3}:16"
    assert positions.at("nowhere") == f"a.yaml:{lines.index('system: my-system') + 1}:1"
    assert system.components["database"].options["ttl"] == "20s"


def test_further_checks_are_told_together_with_the_readers_own(tmp_path: Path) -> None:
    def engines(system: System) -> list[Finding]:
        assert system.components
        return [
            Finding("components.database.options.ttl", "is too short"),
            Finding("workload.rate", "a conclusion from what could not be read"),
        ]

    path = tmp_path / "a.yaml"
    path.write_text(STARTER.replace("rate: 50/s", "rate: 50"))
    with pytest.raises(SystemFileError) as refused:
        load_located(path, also=engines)
    assert [problem.path for problem in refused.value.problems] == ["components.database.options.ttl", "workload.rate"]
    assert "has no unit" in refused.value.problems[1].what


def test_a_thousand_problems_are_kept_but_fifty_printed() -> None:
    text = STARTER + "".join(f"extra-{number}: 1\n" for number in range(1000))
    with pytest.raises(SystemFileError) as refused:
        parse(text, "a.yaml")
    lines = str(refused.value).splitlines()
    assert len(refused.value.problems) == 1000
    assert len(lines) == 51
    assert lines[-1] == "and 950 more"
    assert refused.value.what == "1000 problems in a.yaml"


def test_a_file_that_cannot_be_read_is_one_clear_message(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="Is a directory"):
        load(tmp_path)


def test_bytes_that_are_no_text_are_told_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"system: a\nx: \xff\n")
    with pytest.raises(SystemFileError) as refused:
        load(path)
    assert str(refused.value) == f"{path}:2:4: this is not UTF-8 text (save the file as UTF-8)"


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xff" * (3 * 2**20))
    with pytest.raises(SystemFileError, match="larger than 1 MiB"):
        load(path)


def test_line_ends_of_windows_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + STARTER.replace("\n", "\r\n").encode())
    assert load(path) == parse(STARTER, "a")
