"""Other people's YAML: places, documents, anchors, mistakes, and bounds that hold."""

from __future__ import annotations

import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types

from bascule.audit import yaml_composer
from bascule.audit.estate import SourceFile, Unreadable, YamlDocument
from bascule.audit.tree import Mapping, Node, Scalar, Sequence, at, text, walk
from bascule.audit.yaml_composer import MAX_DEPTH, MAX_VALUES
from bascule.audit.yaml_reader import MAX_ERRORS, lines_of, read

NAME = "deploy.yaml"


def reading(content: str) -> tuple[list[YamlDocument], list[Unreadable]]:
    return read(SourceFile(NAME, content, lines_of(content)))


def root(content: str) -> Node:
    documents, unreadable = reading(content)
    assert unreadable == []
    assert len(documents) == 1
    return documents[0].root


def only_problem(content: str) -> Unreadable:
    documents, unreadable = reading(content)
    assert documents == []
    assert len(unreadable) == 1
    return unreadable[0]


def marked(content: str, node: Node | None) -> str:
    """The text that a node's place spans."""
    assert node is not None
    place, lines = node.place, lines_of(content)
    if place.line == place.end_line:
        return lines[place.line - 1][place.column - 1 : place.end_column - 1]
    rows = [lines[place.line - 1][place.column - 1 :], *lines[place.line : place.end_line - 1]]
    return "\n".join([*rows, lines[place.end_line - 1][: place.end_column - 1]])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("3", 3),
        ("-3", -3),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("off", "off"),
        ("1_000", "1_000"),
        ("10m", "10m"),
        ("1:30", "1:30"),
        (".inf", ".inf"),
        ("1e9999", "1e9999"),
        ("9" * 41, "9" * 41),
        ("'3'", "3"),
        ('"true"', "true"),
        ("!!str 3", "3"),
        ('!!int "3"', 3),
        ("!Ref name", "name"),
    ],
)
def test_values_are_those_of_yaml_1_2(written: str, meant: object) -> None:
    node = at(root(f"key: {written}\n"), "key")
    assert isinstance(node, Scalar)
    assert node.value == meant
    assert type(node.value) is type(meant)


def test_the_text_of_a_value_is_kept_for_rules_about_older_parsers() -> None:
    assert text(root("a: no\n"), "a") == "no"


def test_everything_knows_where_it_stands() -> None:
    content = "name: web\nspec:\n  ports: [80, '443']\n  tags:\n    - é: ü\n    - x\n"
    tree = root(content)
    assert marked(content, at(tree, "name")) == "web"
    assert marked(content, at(tree, "spec", "ports")) == "[80, '443']"
    assert marked(content, at(tree, "spec", "ports", 1)) == "'443'"
    assert marked(content, at(tree, "spec", "tags")) == "- é: ü\n    - x"
    assert marked(content, at(tree, "spec", "tags", 0, "é")) == "ü"
    spec = at(tree, "spec")
    assert isinstance(spec, Mapping)
    assert str(spec.keys["tags"]) == f"{NAME}:4:3"
    ports = at(tree, "spec", "ports")
    assert isinstance(ports, Sequence)
    assert ports.flow


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_machines_count_alike(end: str) -> None:
    content = f"a: 1{end}b: x\u2028y{end}c: 3{end}"
    place = at(root(content), "c")
    assert place is not None
    assert (place.place.line, place.place.column) == (3, 4)


def test_documents_are_numbered_and_empty_ones_are_left_out() -> None:
    documents, unreadable = reading("---\na: 1\n---\n---\n# nothing\n---\nb: 2\n...\n")
    assert unreadable == []
    assert [(one.number, [*one.root.entries]) for one in documents if isinstance(one.root, Mapping)] == [
        (1, ["a"]),
        (4, ["b"]),
    ]


def test_a_mistake_hides_no_other_document() -> None:
    documents, unreadable = reading("a: 1\n---\nb: [\n---\nc: 3\n---\nd: 'x\n---\ne: 5\n")
    assert [text(one.root, key) for one, key in zip(documents, "ace", strict=True)] == ["1", "3", "5"]
    assert [one.place.line for one in unreadable] == [4, 8]


def test_places_behind_a_mistake_are_right() -> None:
    documents, _ = reading("x: [\n---\n\n\nc: 3\n")
    assert str(at(documents[0].root, "c").place) == f"{NAME}:5:4"  # type: ignore[union-attr]  # it is there


def test_errors_without_end_are_given_up() -> None:
    documents, unreadable = reading("a: [\n---\n" * 1000)
    assert documents == []
    assert len(unreadable) == MAX_ERRORS


def test_duplicate_keys_are_recorded_and_the_last_one_counts() -> None:
    tree = root("a: 1\nb: 2\na: 3\na: 4\n")
    assert isinstance(tree, Mapping)
    assert text(tree, "a") == "4"
    assert [(key, place.line) for key, place in tree.duplicates] == [("a", 3), ("a", 4)]


def test_aliases_and_merge_keys_are_resolved() -> None:
    tree = root("base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\nall:\n  <<: [*b, *m]\n  x: 9\nsame: *b\n")
    merged = at(tree, "all")
    assert isinstance(merged, Mapping)
    assert {key: text(merged, key) for key in merged.entries} == {"x": "9", "y": "2", "z": "4"}
    assert merged.keys["z"].line == 2
    assert at(tree, "same") is at(tree, "base")


def test_an_anchor_may_be_on_a_key_and_be_a_key() -> None:
    assert text(root("&k name: 1\nother: {*k : 2}\n"), "other", "name") == "2"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: *nowhere\n", "has no anchor before it"),
        ("a: &a [*a]\n", "stands inside of what it stands for"),
        ("a: 1\n---\nx: &x 1\n---\ny: *x\n", "has no anchor before it"),
        ("a: &x 1\nb:\n  <<: *x\n", "<< merges mappings"),
        ("a:\n\tb: 1\n", "never with tabs"),
        ("a: b: c\n", "quotes"),
        ("a: 'x\n", "this is not YAML"),
        ("a: \x07\n", "the character '\\x07' is not allowed"),
        ("%YAML 3.0\n---\na: 1\n", "this is not YAML"),
        ("a: !x!y z\n", "this is not YAML"),
    ],
)
def test_mistakes_are_told(content: str, said: str) -> None:
    _, unreadable = reading(content)
    assert len(unreadable) == 1
    assert said in unreadable[0].what
    assert not unreadable[0].template


def test_an_odd_character_is_told_where_it_is() -> None:
    assert str(only_problem("a: 1\nbc: \x1b[31m\n").place) == f"{NAME}:2:5"


@pytest.mark.parametrize(
    "content",
    [
        "name: {{ .Release.Name }}\n",
        "name: {{ .Release.Name }}-web\n",
        "{{- if .Values.enabled }}\na: 1\n{{- end }}\n",
        "a:\n  {{- toYaml .Values.a | nindent 2 }}\n",
        "a: 1\nb: {% raw %}\n",
    ],
)
def test_templates_are_told_as_such(content: str) -> None:
    problem = only_problem(content)
    assert problem.template
    assert "render it first: helm template" in problem.what
    assert content.splitlines()[problem.place.line - 1][problem.place.column - 1 :].startswith(("{{", "{%"))


@pytest.mark.parametrize(
    "content",
    ["a: '{{ $labels.instance }} is down'\n", "a: |\n  {{ x }}\n", "# {{ x }}\na: 1\n", "a: {b: {c: 1}}\n", "{a: 1}\n"],
)
def test_braces_that_yaml_can_take_are_no_template(content: str) -> None:
    root(content)


def test_a_mistake_beside_a_quoted_template_is_a_mistake() -> None:
    assert not only_problem("a: '{{ $labels.x }}'\nb: c: d\n").template


def test_a_billion_laughs_are_refused_before_they_are_walked() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
    assert f"more than {MAX_VALUES:,} keys and values" in only_problem(bomb).what


def test_merge_keys_count_as_what_they_bring() -> None:
    wide = "base: &b {" + ", ".join(f"k{n}: 1" for n in range(1000)) + "}\n"
    assert "values" in only_problem(wide + "".join(f"m{n}: {{<<: *b}}\n" for n in range(MAX_VALUES // 1000))).what


def test_as_many_values_as_allowed_are_read() -> None:
    documents, unreadable = reading("[" + "1," * (MAX_VALUES - 1) + "]")
    assert (len(documents), unreadable) == (1, [])
    assert "values" in only_problem("[" + "1," * MAX_VALUES + "]").what


@pytest.mark.parametrize("sign", ["- ", "? ", "[", "{a: "])
def test_depth_is_bounded(sign: str) -> None:
    assert "nested" in only_problem(sign * 5000).what


def test_depth_counts_through_aliases() -> None:
    half = MAX_DEPTH // 2 + 1
    deep = f"a: &a {'[' * half}{']' * half}\nb: {'[' * half}*a{']' * half}\n"
    assert "nested" in only_problem(deep).what


def test_as_deep_as_allowed_is_read() -> None:
    root("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert "nested" in only_problem("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)).what


def test_a_key_that_is_no_word_stands_as_a_question_mark() -> None:
    assert text(root("? [a, b]\n: 1\n"), "?") == "1"


def test_the_slow_parser_reads_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    content = "a: &a [1, 'x']\nb:\n- *a\n- c: |\n    text\n---\nd: {{ x }}\n---\ne: [\n---\nf: 1\n"
    fast = reading(content)
    monkeypatch.setattr(yaml_composer, "_LOADER", yaml.SafeLoader)
    slow = reading(content)
    assert [one.place.line for one in slow[1]] == [one.place.line for one in fast[1]]
    for one, other in zip(slow[0], fast[0], strict=True):
        assert [_summary(node) for node in walk(one.root)] == [_summary(node) for node in walk(other.root)]


def _summary(node: Node) -> tuple[str, str, object]:
    return type(node).__name__, str(node.place), getattr(node, "value", None)
