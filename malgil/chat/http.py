"""How this room's routes read requests, answer, and describe themselves.

Routes take the bare request, so that the hot ones pay for no dependency graph and no second serialisation: the body
is parsed and validated once, the answer leaves as bytes. What FastAPI would have derived for OpenAPI is derived here
from the same models.
"""

from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from malgil.chat.errors import MessageNotFound, SessionNotFound
from malgil.chat.model import valid_session_id
from malgil.chat.requests import NAME_SCHEMA
from malgil.kit import json
from malgil.kit.errors import FieldError, Invalid, UnsupportedType
from malgil.kit.ids import SessionId

Docs = dict[str, Any]
JSON: Final = "application/json"
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


def message_in(request: Request) -> str:
    """The path's message id. Raises MessageNotFound for text that no message can be named by."""
    message_id: str = request.path_params["message_id"]
    if not valid_session_id(message_id):
        raise MessageNotFound(message_id[:64])
    return message_id


def _parameter(name: str, place: str, schema: Docs, *, required: bool = False) -> Docs:
    return {"name": name, "in": place, "required": required, "schema": schema}


_SESSION: Final = _parameter(
    "session_id", "path", {"type": "string", "examples": ["sess_01kb2q8w0f3v9xk7n5t1m4c6ze"]}, required=True
)
_MESSAGE: Final = _parameter(
    "message_id", "path", {"type": "string", "examples": ["msg_01kb2q8w0f3v9xk7n5t1m4c6ze"]}, required=True
)
_USER: Final = _parameter("user_id", "path", NAME_SCHEMA, required=True)
_IDEMPOTENCY_KEY: Final = _parameter("Idempotency-Key", "header", {
    "type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$", "examples": ["7f2c8a4e-9d31-4b0e"],
    "description": "The same key makes the same thing, for 24 h; with another body it is 422 `IDEMPOTENCY_MISMATCH`.",
})
_LAST_EVENT_ID: Final = _parameter("Last-Event-ID", "header", {
    "type": "string", "format": "event-id",
    "description": "Resume after the event with this id: one that the stream sent. 422 `INVALID_CURSOR` otherwise.",
})


def describe(
    *, body: type[BaseModel] | None = None, query: type[BaseModel] | None = None, session: bool = False,
    message: bool = False, user: bool = False, idempotent: bool = False, events: bool = False,
) -> Docs:
    """`openapi_extra` of a route: what it reads from the body, the query, the path and the headers."""
    parameters: list[Docs] = []
    for wanted, parameter in ((session, _SESSION), (message, _MESSAGE), (user, _USER)):
        if wanted:
            parameters.append(parameter)
    if query is not None:
        parameters += _query_parameters(query)
    if idempotent:
        parameters.append(_IDEMPOTENCY_KEY)
    if events:
        parameters.append(_LAST_EVENT_ID)
    found: Docs = {"parameters": parameters}
    if body is not None:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": _schema(body)}}}
    return found


def answers(
    *statuses: int, ok: int = 200, model: type[BaseModel] | None = None, note: str = "", events: str = ""
) -> dict[int | str, Docs]:
    """`responses` of a route: its good answer and the problems it may give, which app describes for all routes.

    `events` names the stream that the route answers with. Examples are in `chat.examples`, by these names.
    """
    good: Docs = {"description": note or "As asked."}
    if model is not None:
        good["model"] = model
    if events:
        good["content"] = {"text/event-stream": {"schema": {"title": events, "type": "string"}, "itemSchema": _EVENT}}
    return {ok: good, **{status: {} for status in (*statuses, 401)}}


# What one event of a stream is: OpenAPI 3.2's word, which 3.1 leaves alone.
_EVENT: Final = {
    "type": "object", "required": ["data"],
    "properties": {
        "id": {"type": "string"}, "event": {"type": "string"}, "retry": {"type": "integer"},
        "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": {"type": "object"}},
    },
}


def _query_parameters(model: type[BaseModel]) -> list[Docs]:
    schema = _schema(model)
    required = schema.get("required", [])
    return [
        _parameter(name, "query", part, required=name in required) for name, part in schema["properties"].items()
    ]


def _schema(model: type[BaseModel]) -> Docs:
    return model.model_json_schema()
