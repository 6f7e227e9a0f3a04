"""What the routes answer, as models: the API's description is made from them, the bytes are not."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from malgil.chat.model import UNREAD_MOST, MessageType, QueuePolicy, Role, SenderType, Status


class SessionFace(BaseModel):
    session_id: str = Field(examples=["sess_01kb2q8w0f3v9xk7n5t1m4c6ze"])
    user_id: str = Field(examples=["user_42"])
    agent_id: int | None = Field(examples=[1])
    title: str | None = Field(examples=["배송 문의"])
    status: Status
    queue_policy: QueuePolicy
    metadata: dict[str, Any] = Field(examples=[{"purpose": "product_inquiry"}])
    created_at: datetime


class SessionMade(SessionFace):
    trace_id: str | None = None


class BranchedFrom(BaseModel):
    session_id: str
    message_id: str


class Branched(SessionMade):
    branched_from: BranchedFrom
    message_id: str | None = Field(description="With `content`: the id of the message that it became.")


class AgentFace(BaseModel):
    id: int
    name: str
    avatar_url: str | None


class Participant(BaseModel):
    user_id: str
    role: Role
    read_seq: int
    joined_at: datetime


class SessionView(SessionFace):
    agent: AgentFace | None
    participants: list[Participant]
    message_count: int
    last_activity: datetime
    last_seq: int = Field(description="seq of the last entry of the session's log")


class SessionLine(BaseModel):
    session_id: str
    title: str | None
    agent_id: int | None
    agent_name: str | None
    last_message: str | None = Field(description="The beginning of the last message, on one line.")
    last_message_at: datetime | None
    unread_count: int = Field(description=f"{UNREAD_MOST} means {UNREAD_MOST} or more.", ge=0, le=UNREAD_MOST)
    status: Status
    created_at: datetime


class SessionList(BaseModel):
    sessions: list[SessionLine]
    total: int
    has_more: bool
    next_cursor: str | None = Field(description="Where the next page begins; null on the last.")


class Archived(BaseModel):
    message: Literal["Session archived successfully", "Session erased"]
    session_id: str


class Removed(BaseModel):
    message: Literal["Participant removed"]
    session_id: str
    user_id: str


class MessageView(BaseModel):
    message_id: str
    seq: int
    sender_type: SenderType
    sender_id: str
    message_type: MessageType
    content: str
    metadata: dict[str, Any]
    tokens_used: int | None
    latency_ms: int | None
    is_edited: bool
    created_at: datetime
    reply_to: str | None = Field(description="Of an answer: the message that it answers.")
    superseded_by: str | None = Field(description="Of an answer: the one that stands in its place.")
    edited_at: datetime | None


class Deleted(BaseModel):
    message_id: str
    status: Literal["deleted"]


class Regenerated(BaseModel):
    session_id: str
    message_id: str = Field(description="The id that the new answer will have.")
    turn_id: str
    replaces: str | None = Field(description="The answer that it takes the place of if it ends well.")


class MessageList(BaseModel):
    messages: list[MessageView] = Field(description="Oldest first.")
    has_more: bool
    total: int


class Sent(BaseModel):
    message_id: str
    seq: int
    status: Literal["sent"] = Field(description="The message and its queued turn are committed.")
    created_at: datetime


class Stopped(BaseModel):
    session_id: str
    stopped: list[str] = Field(description="The turns that were running or queued.")


class EventPage(BaseModel):
    events: list[dict[str, Any]] = Field(description="Native frames, one per log entry (realtime protocol).")
    cursor: str = Field(examples=["3f9a01c2.41"])
    has_more: bool


class ToolCall(BaseModel):
    call_id: str
    name: str
    arguments: dict[str, Any]
    result: dict[str, Any] | None


class ChatAnswer(BaseModel):
    session_id: str
    message_id: str = Field(description="The answer's message.")
    content: str
    tool_calls: list[ToolCall]
    tokens_used: int
    latency_ms: int
