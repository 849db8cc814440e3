"""What a value of each type of the model looks like: an example for people, and one that says nothing. Pure."""

from __future__ import annotations

from functools import singledispatch

from msgspec import inspect


@singledispatch
def example(kind: inspect.Type) -> str:
    """How a value of this type is written, as short as possible."""
    return {inspect.IntType: "1", inspect.FloatType: "1.5", inspect.BoolType: "true"}.get(type(kind), "text")


@example.register
def _(kind: inspect.StructType) -> str:
    shown = [one for one in kind.fields if one.required] or list(kind.fields[:1])
    return "{" + ", ".join(f"{one.encode_name}: {example(one.type)}" for one in shown) + "}"


@example.register
def _(kind: inspect.DictType) -> str:
    return "{" + f"{example(kind.key_type)}: {example(kind.value_type)}" + "}"


@example.register
def _(kind: inspect.VarTupleType) -> str:
    return f"[{example(kind.item_type)}]"


@example.register
def _(kind: inspect.TupleType) -> str:
    return "[" + ", ".join(example(item) for item in kind.item_types) + "]"


@example.register
def _(kind: inspect.UnionType) -> str:
    return example(kind.types[0])


@example.register
def _(kind: inspect.LiteralType) -> str:
    return str(kind.values[0])


@example.register
def _(kind: inspect.DataclassType) -> str:
    return str(getattr(kind.cls, "EXAMPLE", "...")).split(",", maxsplit=1)[0].split(" or ")[0]


@example.register
def _(kind: inspect.StrType) -> str:
    return "/path" if kind.pattern == "^/" else "name" if kind.pattern else "text"


@singledispatch
def neutral(kind: inspect.Type) -> object:
    """A value of this type that stands for one that could not be read, and says as little as possible."""
    plain: dict[type[inspect.Type], object] = {
        inspect.DictType: {},
        inspect.VarTupleType: (),
        inspect.UnionType: None,
        inspect.BoolType: False,
    }
    return plain.get(type(kind), 0)


@neutral.register
def _(kind: inspect.StructType) -> object:
    return kind.cls(**{one.name: neutral(one.type) for one in kind.fields if one.required})


@neutral.register
def _(kind: inspect.TupleType) -> object:
    return tuple(neutral(item) for item in kind.item_types)


@neutral.register
def _(kind: inspect.LiteralType) -> object:
    return kind.values[0]


@neutral.register
def _(kind: inspect.DataclassType) -> object:
    return kind.cls(0)


@neutral.register
def _(_: inspect.StrType) -> object:
    return ""
