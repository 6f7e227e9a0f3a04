"""Every refusal and failure as RFC 9457 problem details, with the trace id, and nothing of our inside.

`install` covers what FastAPI's routes raise; the layer in front (`edge`) answers with `answer_to` for itself, the raw
ASGI endpoints and what nobody foresaw.
"""

import logging
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from malgil.kit import json
from malgil.kit.errors import FieldError, Invalid, MalgilError, TooLarge, Unavailable, UnsupportedType
from malgil.observe.trace import current_trace_id

PROBLEM: Final = "application/problem+json"

_log = logging.getLogger(__name__)


def problem(error: MalgilError) -> Response:
    """The response for an error of ours: type, title, status, detail, code, trace_id, and field errors if any."""
    body: dict[str, Any] = {
        "type": f"/errors/{error.code.lower().replace('_', '-')}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "trace_id": current_trace_id(),
    }
    if error.errors:
        body["errors"] = error.errors
    return _response(error.status, body, _headers(error))


def install(app: FastAPI) -> None:
    """Answer every error that leaves a route of `app` with a problem."""
    handlers: list[tuple[type[Exception], Callable[[Request, Any], Awaitable[Response]]]] = [
        (MalgilError, _malgil), (RequestValidationError, _validation), (HTTPException, _http), (Exception, _unforeseen),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)


def answer_to(error: Exception) -> Response:
    """The problem that an error of any kind is to whoever asked."""
    match error:
        case MalgilError():
            return problem(error)
        case HTTPException():
            return _of_starlette(error)
        case _:
            return problem(_INTERNAL)


def report(error: Exception, status: int, where: str) -> None:
    """A fault of ours with its stack; a part that is away in one line, for there may be thousands of them."""
    if isinstance(error, Unavailable):
        _log.warning("%s: answered %d %s: %s", where, error.status, error.code, error.detail)
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("%s failed", where, exc_info=error)


_INTERNAL: Final = MalgilError("Something went wrong here; the trace id names it for the operator.")


async def _malgil(_request: Request, error: MalgilError) -> Response:
    report(error, error.status, "a route")
    return problem(error)


async def _unforeseen(_request: Request, _error: Exception) -> Response:
    # Starlette raises it again behind this answer, and the edge logs it there.
    return problem(_INTERNAL)


async def _validation(request: Request, error: RequestValidationError) -> Response:
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return problem(Invalid("The body is not JSON.", code="MALFORMED_JSON", errors=_fields(faults)))
    of_body = all(tuple(fault["loc"]) == ("body",) and fault["type"] != "missing" for fault in faults)
    if of_body and not _is_json(request.headers.get("content-type", "")):
        return problem(UnsupportedType("Send the body with `Content-Type: application/json`."))
    return problem(Invalid("The request does not fit; `errors` says where.", errors=_fields(faults)))


async def _http(_request: Request, error: HTTPException) -> Response:
    return _of_starlette(error)


def _of_starlette(error: HTTPException) -> Response:
    """Starlette's own refusals: no such route, wrong method, a body that cannot be read."""
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return problem(Invalid("The body cannot be read.", code="MALFORMED_BODY"))
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return problem(TooLarge(error.detail))
    status = HTTPStatus(error.status_code)
    body = {
        "type": f"/errors/{status.phrase.lower().replace(' ', '-')}",
        "title": status.phrase,
        "status": error.status_code,
        "detail": status.description or status.phrase,
        "code": status.name,
        "trace_id": current_trace_id(),
    }
    return _response(error.status_code, body, dict(error.headers or {}))


def _fields(faults: Any) -> list[FieldError]:
    # The value itself is not repeated: it may be a secret, or a megabyte.
    return [
        {"field": ".".join(str(part) for part in fault["loc"]), "message": fault["msg"].removeprefix("Value error, ")}
        for fault in faults
    ]


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _headers(error: MalgilError) -> dict[str, str]:
    if error.status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer error="invalid_token"' if error.code.startswith("TOKEN_") else "Bearer"}
    seconds = getattr(error, "retry_after", None)
    return {"Retry-After": str(max(1, math.ceil(seconds)))} if seconds is not None else {}


def _response(status: int, body: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(json.dumps(body), status, headers, PROBLEM)
