"""JSON in and out: bodies are bounded and checked before anything uses them, and each refusal says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

BODY_BYTES = 64 * 1024
RETRY_AFTER = {"Retry-After": "1"}

# PostgreSQL stores every text but one with a zero byte in it.
Words = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*\Z")]
Number = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Body = TypeVar("Body", bound=Struct)


class SignIn(Struct, forbid_unknown_fields=True):
    """Body of `POST /session`."""

    user: Words


class NewTask(Struct, forbid_unknown_fields=True):
    """Body of `POST /tasks`. `client` and `number` name the request for the audit; people leave them out."""

    title: Words
    client: Words = "-"
    number: Number = 0


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The value as JSON."""
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")


async def refusal(_request: Request, error: Exception) -> Response:
    """A refused request, as JSON."""
    if not isinstance(error, HTTPException):
        raise error
    return answer({"error": error.detail}, error.status_code, error.headers)


async def body_of(request: Request, kind: type[Body]) -> Body:
    """The request's body, checked.

    Raises:
        HTTPException: 413 too large, 400 no JSON, 422 JSON that says something else than it should.
    """
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > BODY_BYTES:
                raise HTTPException(413, f"the body is larger than {BODY_BYTES} bytes", {"Connection": "close"})
    except ClientDisconnect as error:
        raise HTTPException(400, "the body is not whole") from error
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise HTTPException(422, str(error)) from error
    except ValueError as error:  # no JSON, or no UTF-8
        raise HTTPException(400, f"the body is no JSON: {error}") from error
