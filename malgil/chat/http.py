"""How this room's routes read requests, answer, and describe themselves.

Routes take the bare request, so that the hot ones pay for no dependency graph and no second serialisation: the body
is parsed and validated once, the answer leaves as bytes. What FastAPI would have derived for OpenAPI is derived here
from the same models.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from malgil.chat.errors import SessionNotFound
from malgil.chat.model import valid_session_id
from malgil.kit import json
from malgil.kit.errors import FieldError, Invalid, UnsupportedType
from malgil.kit.ids import SessionId

Docs = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)


def reply(value: Any, status: int = 200) -> Response:
    """`value` as a JSON answer."""
    return Response(to_json(value, inf_nan_mode="null"), status, media_type="application/json")


async def read_body(request: Request, model: type[Model]) -> Model:
    """The validated body. Raises UnsupportedType, or Invalid naming each faulty field."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedType("Send the body with `Content-Type: application/json`.")
    try:
        value = json.loads(await request.body())
    except ValueError as e:
        fault = FieldError(field="body", message=str(e))
        raise Invalid("The body is not JSON.", code="MALFORMED_JSON", errors=[fault]) from e
    return check(value, model, "body")


def read_query(request: Request, model: type[Model]) -> Model:
    """The validated query; of a repeated parameter the last counts. Raises Invalid."""
    return check(dict(request.query_params), model, "query")


def check(value: Any, model: type[Model], place: str) -> Model:
    """`value` as the model has it. Raises Invalid; what was sent is not repeated, it may be a secret or a megabyte."""
    try:
        return model.model_validate(value)
    except ValidationError as e:
        faults = [
            FieldError(field=".".join(map(str, (place, *one["loc"]))), message=one["msg"].removeprefix("Value error, "))
            for one in e.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise Invalid("The request does not fit; `errors` says where.", errors=faults) from e


def session_in(request: Request) -> SessionId:
    """The path's session id. Raises SessionNotFound for text that no session can be named by."""
    session_id: str = request.path_params["session_id"]
    if not valid_session_id(session_id):
        raise SessionNotFound(session_id[:64])
    return SessionId(session_id)


def describe(
    *, body: type[BaseModel] | None = None, query: type[BaseModel] | None = None, session: bool = False,
    idempotent: bool = False, events: bool = False,
) -> Docs:
    """`openapi_extra` of a route: what it reads from the body, the query, the path and the headers."""
    parameters: list[Docs] = []
    if session:
        parameters.append(_parameter("session_id", "path", {"type": "string", "examples": ["sess_01…"]}, required=True))
    if query is not None:
        parameters += _query_parameters(query)
    if idempotent:
        schema = {"type": "string", "maxLength": 255, "description": "The same key makes the same thing, for 24 h."}
        parameters.append(_parameter("Idempotency-Key", "header", schema))
    if events:
        parameters.append(_parameter("Last-Event-ID", "header", {"type": "string", "description": "Resume after it."}))
    found: Docs = {"parameters": parameters}
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": _schema(body)}}}
    return found


def answers(
    *statuses: int, ok: int = 200, model: type[BaseModel] | None = None, note: str = "", events: bool = False
) -> dict[int | str, Docs]:
    """`responses` of a route: its good answer and the problems it may give."""
    good: Docs = {"description": note or "As asked."}
    if model is not None:
        good["model"] = model
    if events:
        good["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    return {ok: good, 401: _problem(401), **{status: _problem(status) for status in statuses}}


_MEANING: Mapping[int, str] = {
    401: "No token, or a bad one.", 403: "The role does not allow it.",
    404: "There is no such session, or it is somebody else's.", 409: "The session's state does not allow it now.",
    413: "Too large.", 415: "Not JSON.", 422: "The request does not fit.",
    429: "Too many requests.", 503: "A needed part is down, or the answer takes too long.",
}


def _problem(status: int) -> Docs:
    schema = {
        "type": "object", "required": ["type", "title", "status", "detail", "code"],
        "properties": {name: {"type": "string"} for name in ("type", "title", "detail", "code", "trace_id")}
        | {"status": {"type": "integer"}, "errors": {"type": "array", "items": {"type": "object"}}},
    }
    return {"description": _MEANING[status], "content": {"application/problem+json": {"schema": schema}}}


def _query_parameters(model: type[BaseModel]) -> list[Docs]:
    schema = _schema(model)
    required = schema.get("required", [])
    return [
        _parameter(name, "query", part, required=name in required) for name, part in schema["properties"].items()
    ]


def _parameter(name: str, place: str, schema: Docs, *, required: bool = False) -> Docs:
    return {"name": name, "in": place, "required": required, "schema": schema}


def _schema(model: type[BaseModel]) -> Docs:
    return model.model_json_schema()
