"""What clients may send about files, and what they are answered."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from malgil.chat.model import CLIENT_ID_MOST
from malgil.chat.requests import NAME_SCHEMA, ClientMessageId, Content
from malgil.kit.text import Text

FORM: Final[dict[str, Any]] = {
    "type": "object", "required": ["file"], "additionalProperties": False,
    "properties": {
        "file": {"type": "string", "format": "binary", "minLength": 1, "description": "Exactly one, with a filename."},
        "message": {"type": "string", "maxLength": 32_768, "examples": ["이미지를 확인해주세요"],
                    "description": "What the message says; without it the file's name."},
        "client_message_id": {"type": "string", "maxLength": CLIENT_ID_MOST, "examples": ["c-17"], "description":
                              "The client's own id: n uploads of it by one user in one session make one message."},
        # A field that is left empty, as forms do, is one that was not filled in.
        "user_id": NAME_SCHEMA | {
            "minLength": 0, "description": "Who sends it: anybody in development mode, otherwise the caller.",
        },
    },
}


class FileInfo(BaseModel):
    name: str = Field(examples=["영수증.png"])
    type: str = Field(description="By its content, whatever it was called.", examples=["image/png"])
    size: int = Field(examples=[20480])


class Uploaded(BaseModel):
    file_id: str = Field(examples=["file_01kb2q8w0f3v9xk7n5t1m4c6ze"])
    file_url: str = Field(examples=["/files/file_01kb2q8w0f3v9xk7n5t1m4c6ze"])
    thumbnail_url: str | None = Field(examples=["/files/file_01kb2q8w0f3v9xk7n5t1m4c6ze/thumb"])
    message_id: str = Field(examples=["msg_01kb2q8w0f3v9xk7n5t1m4c6ze"])
    file_info: FileInfo


class FileFrame(BaseModel):
    """A message about a file that is there already; `timestamp` is the client's time, kept and never trusted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Literal["file"]
    file_id: Annotated[Text, StringConstraints(max_length=64)]
    message: Content | None = None
    client_message_id: ClientMessageId | None = None
    timestamp: Annotated[Text, StringConstraints(max_length=64)] | int | float | None = None
