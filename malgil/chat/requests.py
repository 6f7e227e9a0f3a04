"""What clients may send to the chat room: bodies, queries and frames. Everything is closed and strict."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

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


Content = Annotated[
    Text, StringConstraints(min_length=1, max_length=CONTENT_MOST), AfterValidator(_said),
    Field(description=f"1–{CONTENT_MOST} characters of which not all are white space.", examples=["안녕하세요"]),
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
UserName = Annotated[
    str | int | None,
    Field(description="Development mode: the user to play. Otherwise it must be the caller.", examples=[123]),
]
AgentId = Annotated[int, Field(ge=1, le=AGENT_MOST, examples=[1])]


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


class MarkRead(_Body):
    seq: Annotated[int, Field(ge=0, le=SEQ_MOST, examples=[41])]


class Ask(_Body):
    """Without a session one is made; its title comes from the task."""

    task: Content
    user_id: UserName = None
    session_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    agent_id: AgentId | None = None


class AskQuery(_Query):
    task: Content
    user_id: Annotated[Text, StringConstraints(max_length=128)] | None = None
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
