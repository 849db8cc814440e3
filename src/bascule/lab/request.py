"""What every request to a lab's supervisor is. Apart, so that each family of requests can have a module of its own."""

from __future__ import annotations

from msgspec import Struct


class Request(Struct, frozen=True, kw_only=True, tag_field="do", forbid_unknown_fields=True):
    """Something that the supervisor is asked to do."""
