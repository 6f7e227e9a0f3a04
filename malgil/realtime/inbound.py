"""What a client may say on a WebSocket: closed models, so that a misspelt field is heard of and not ignored."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from malgil.kit import json
from malgil.kit.errors import Invalid
from malgil.kit.text import JsonObject, Text, storable_json


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Message(_Frame):
    type: Literal["message"]
    content: Text | None = None
    task: Text | None = None
    user_id: Text | int | None = None
    client_message_id: Text | None = None
    timestamp: Text | int | float | None = None

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if (self.content is None) == (self.task is None):
            raise ValueError("give either content or task")
        return self


class _Typing(_Frame):
    type: Literal["typing"]
    is_typing: bool


class _File(_Frame):
    type: Literal["file"]
    file_id: Text
    message: Text | None = None
    client_message_id: Text | None = None
    timestamp: Text | int | float | None = None


class _Stop(_Frame):
    type: Literal["stop"]


class _Read(_Frame):
    type: Literal["read"]
    seq: Annotated[int, Field(ge=0, lt=2**62)]


class _Resume(_Frame):
    type: Literal["resume"]
    after: Text


class _Ping(_Frame):
    type: Literal["ping"]
    timestamp: Text | int | float | None = None


class _ToolResult(_Frame):
    type: Literal["tool_result"]
    call_id: Text
    result: Any


class _Approve(_Frame):
    type: Literal["approve"]
    call_id: Text
    decision: Literal["allow", "deny"]


_FRAME: TypeAdapter[_Frame] = TypeAdapter(
    Annotated[
        _Message | _Typing | _File | _Stop | _Read | _Resume | _Ping | _ToolResult | _Approve,
        Field(discriminator="type"),
    ]
)


def read_frame(message: dict[str, Any]) -> JsonObject:
    """The frame in an ASGI `websocket.receive`. Raises Invalid, with what is wrong, for anything else."""
    text = message.get("text")
    if text is None:
        raise Invalid("Frames are JSON text, not binary.")
    try:
        frame = json.loads(text)
    except ValueError as error:
        raise Invalid("The frame is not JSON.") from error
    if not isinstance(frame, dict):
        raise Invalid("The frame is not a JSON object.")
    try:
        _FRAME.validate_python(frame)
        storable_json(frame)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        raise Invalid(f"{where}: {first['msg']}" if where else first["msg"]) from error
    except ValueError as error:
        raise Invalid(str(error)) from error
    return frame
