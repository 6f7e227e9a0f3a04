"""What clients may send to the chat room: bodies, queries and frames. Everything is closed and strict."""

from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from malgil.access.model import NAME_LENGTH, valid_name
from malgil.chat.model import CLIENT_ID_MOST, CONTENT_MOST, METADATA_BYTES_MOST, TITLE_MOST, Face, QueuePolicy
from malgil.kit import json
from malgil.kit.text import JsonObject, Text

AGENT_MOST = 2**31 - 1
SEQ_MOST = 2**62
OFFSET_MOST = 2**31


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("must say something")
    return text


def _small(value: dict[str, Any]) -> dict[str, Any]:
    size = len(json.dumps(value).encode())
    if size > METADATA_BYTES_MOST:
        raise ValueError(f"must not be larger than {METADATA_BYTES_MOST} bytes (is {size})")
    return value


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 3.0 is 3, and a schema's `integer` takes both."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_WHOLE: Final = BeforeValidator(_whole)
Content = Annotated[
    Text, StringConstraints(min_length=1, max_length=CONTENT_MOST), AfterValidator(_said),
    Field(
        description=f"1–{CONTENT_MOST} characters of which not all are white space, and none NUL.",
        examples=["안녕하세요", "Where is my order?"], json_schema_extra={"pattern": r"\S"},
    ),
]
Title = Annotated[Text, StringConstraints(max_length=TITLE_MOST), Field(examples=["배송 문의"])]
Metadata = Annotated[
    JsonObject, AfterValidator(_small),
    Field(description=f"Free JSON, at most {METADATA_BYTES_MOST} bytes.", examples=[{"purpose": "product_inquiry"}]),
]
ClientMessageId = Annotated[
    Text, StringConstraints(min_length=1, max_length=CLIENT_ID_MOST),
    Field(description="The client's own id: n sends of it by one user in one session make one message."),
]
NAME_SCHEMA: Final[dict[str, Any]] = {
    "type": "string", "minLength": 1, "maxLength": NAME_LENGTH, "format": "user-name",
    "description": f"1–{NAME_LENGTH} printable characters, no space around them.", "examples": ["lee", "이지은"],
}
UserName = Annotated[
    str | int | None, _WHOLE,
    WithJsonSchema({
        "anyOf": [NAME_SCHEMA, {"type": "integer"}, {"type": "null"}], "examples": [123, "이지은"],
        "description": "Development mode: the user to play. Otherwise it must be the caller.",
    }),
]
AgentId = Annotated[int, Field(ge=1, le=AGENT_MOST, examples=[1]), _WHOLE]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Query(BaseModel):
    # Values of a query are text, so numbers are read from it; unknown parameters are ignored.
    model_config = ConfigDict(extra="ignore", frozen=True)


class CreateSession(_Body):
    """Without `agent_id` agent 1 answers; with null nobody does, and people are among themselves."""

    agent_id: AgentId | None = None
    title: Title | None = None
    metadata: Metadata = Field(default_factory=dict)
    queue_policy: QueuePolicy = "enqueue"
    user_id: UserName = None


class PatchSession(_Body):
    """What is left out stays. `metadata` is replaced whole; `status: active` restores."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    title: Title | None = None
    metadata: Metadata = Field(default_factory=dict)
    status: Literal["active", "archived"] = "active"
    queue_policy: QueuePolicy = "enqueue"

    @model_validator(mode="after")
    def _says_something(self) -> "PatchSession":
        if not self.model_fields_set:
            raise ValueError("name at least one thing to change")
        return self

    @property
    def face(self) -> Face:
        """What was named, and nothing else."""
        said = self.model_fields_set
        face = Face()
        if "title" in said:
            face["title"] = self.title
        if "metadata" in said:
            face["metadata"] = self.metadata
        if "status" in said:
            face["status"] = self.status
        if "queue_policy" in said:
            face["queue_policy"] = self.queue_policy
        return face


class PostMessage(_Body):
    content: Content
    message_type: Literal["text"] = "text"
    metadata: Metadata = Field(default_factory=dict)
    client_message_id: ClientMessageId | None = None
    user_id: UserName = None


class StreamMessage(PostMessage):
    stream: Literal[True] = True


class EditMessage(_Body):
    content: Content
    user_id: UserName = None


MessageId = Annotated[
    Text, StringConstraints(min_length=1, max_length=64), Field(examples=["msg_01kb2q8w0f3v9xk7n5t1m4c6ze"])
]


class Regenerate(_Body):
    """`message_id` names an answer, or the user's message whose answer is to be made again."""

    message_id: MessageId
    user_id: UserName = None


class BranchSession(_Body):
    """With `content` the named message, one of the caller's own, is said in these words instead, and answered."""

    message_id: MessageId
    content: Content | None = None
    title: Title | None = None
    user_id: UserName = None


def _user(name: str) -> str:
    if not valid_name(name):
        raise ValueError("must be 1–128 printable characters without space around them")
    return name


class PutParticipant(_Body):
    """A `viewer` reads along, a `member` takes part. Who takes part already gets the role, if it is another."""

    user_id: Annotated[Text, AfterValidator(_user), WithJsonSchema(NAME_SCHEMA)]
    role: Literal["member", "viewer"] = "member"


class MarkRead(_Body):
    seq: Annotated[int, Field(ge=0, le=SEQ_MOST, examples=[41]), _WHOLE]


class Ask(_Body):
    """Without a session one is made; its title comes from the task."""

    task: Content
    user_id: UserName = None
    session_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    agent_id: AgentId | None = None


class AskQuery(_Query):
    task: Content
    user_id: Annotated[Text, WithJsonSchema(NAME_SCHEMA)] | None = None
    session_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    agent_id: AgentId | None = None


class ListSessions(_Query):
    status: Annotated[
        Literal["active", "archived", "deleted"] | None, Field(description="Default: all that are not deleted.")
    ] = None
    agent_id: AgentId | None = None
    q: Annotated[
        Annotated[Text, StringConstraints(max_length=TITLE_MOST)] | None,
        Field(description="Occurs in the title or in the last message, whatever the case."),
    ] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    offset: Annotated[int, Field(ge=0, le=OFFSET_MOST)] = 0
    cursor: Annotated[
        Annotated[Text, StringConstraints(max_length=82)] | None,
        Field(description="`next_cursor` of the page before: goes on there, however far down that is."),
    ] = None


Mark = Annotated[
    Annotated[Text, StringConstraints(min_length=1, max_length=64)] | None,
    Field(description="A seq, a message_id or an RFC 3339 time; that message itself is not on the page."),
]


class ListMessages(_Query):
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    before: Mark = None
    after: Mark = None


class ReadEvents(_Query):
    after: Annotated[
        Annotated[str, StringConstraints(max_length=64)] | None,
        Field(description="A seq, a cursor or `start`. Without it a stream begins now, a page at the start."),
    ] = None
    limit: Annotated[int, Field(ge=1, le=500, description="Of a page; a stream has no end.")] = 200


class DeleteSession(_Query):
    permanent: bool = False


class MessageFrame(_Body):
    """`content` or `task`; `timestamp` is the client's time, kept and never trusted."""

    type: Literal["message"]
    content: Content | None = None
    task: Content | None = None
    client_message_id: ClientMessageId | None = None
    timestamp: Annotated[Text, StringConstraints(max_length=64)] | int | float | None = None
    user_id: UserName = None

    @model_validator(mode="after")
    def _one_text(self) -> "MessageFrame":
        if (self.content is None) == (self.task is None):
            raise ValueError("say it in `content` or in `task`")
        return self
