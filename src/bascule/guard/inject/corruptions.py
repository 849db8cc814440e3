"""Damage as it happens to answers on their way: cut off, or with one character wrong. Pure."""

from __future__ import annotations

from typing import TypeVar

Text = TypeVar("Text", str, bytes)


def cut(content: Text) -> Text:
    """The first half, as of a connection that broke."""
    return content[: len(content) // 2]


def garble(content: Text) -> Text:
    """The same length, with the character in the middle replaced by another one; what is empty stays empty."""
    if not content:
        return content
    middle = len(content) // 2
    if isinstance(content, bytes):
        return content[:middle] + bytes([content[middle] ^ 0x20]) + content[middle + 1 :]
    return content[:middle] + ("#" if content[middle] != "#" else "?") + content[middle + 1 :]
