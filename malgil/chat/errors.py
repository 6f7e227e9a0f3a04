"""What can go wrong in a chat.

    NotFound
    └── SessionNotFound   404  it does not exist, or it is somebody else's
    Forbidden
    └── ReadOnly          403  you may read here, not write or manage
    Conflict
    ├── SessionArchived   409  restore it first
    ├── AgentBusy         409  an answer is being made and the session takes one message at a time
    ├── TurnStopped       409  the question was taken back before anybody answered it
    └── NameTaken         409  something with this id exists
    Unavailable
    ├── AnswerPending     503  it is still being written: fetch it later
    └── AnswerFailed      503  the agent could not answer
    Invalid
    ├── UnknownAgent      422
    ├── NoAgent           422  nobody is there to answer
    ├── OtherAgent        422  somebody else answers in this session
    └── ComesLater        422  part of the contract, not of this version
"""

from malgil.kit.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, Unavailable


class SessionNotFound(NotFound):
    code = "SESSION_NOT_FOUND"
    title = "Session not found"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"No session {session_id!r} that you may see.")


class ReadOnly(Forbidden):
    code = "READ_ONLY"
    title = "Not allowed in this session"


class SessionArchived(Conflict):
    code = "SESSION_ARCHIVED"
    title = "Session archived"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session {session_id!r} is archived; restore it with status 'active'.")


class AgentBusy(Conflict):
    code = "BUSY"
    title = "An answer is being made"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session {session_id!r} takes the next message when its agent has answered the last.")


class TurnStopped(Conflict):
    code = "TURN_STOPPED"
    title = "Stopped before it was answered"


class NameTaken(Conflict):
    code = "SESSION_EXISTS"
    title = "That id is taken"


class AnswerPending(Unavailable):
    """The wait was over before the answer was; `errors` names where the answer will be."""

    code = "ANSWER_PENDING"
    title = "The answer is still being written"

    def __init__(self, session_id: str, message_id: str) -> None:
        super().__init__(f"Fetch message {message_id!r} of session {session_id!r} later.", retry_after=5.0)
        self.errors = [
            FieldError(field="session_id", message=session_id), FieldError(field="message_id", message=message_id)
        ]


class AnswerFailed(Unavailable):
    code = "AGENT_UNAVAILABLE"
    title = "The agent could not answer"


class UnknownAgent(Invalid):
    code = "UNKNOWN_AGENT"
    title = "Unknown agent"

    def __init__(self, agent_id: int) -> None:
        fault = FieldError(field="body.agent_id", message="no such agent")
        super().__init__(f"There is no agent {agent_id}.", errors=[fault])


class NoAgent(Invalid):
    code = "NO_AGENT"
    title = "This session has no agent"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session {session_id!r} is among people only; post to it without waiting for an answer.")


class OtherAgent(Invalid):
    code = "OTHER_AGENT"
    title = "Another agent answers in this session"


class ComesLater(Invalid):
    code = "NOT_SUPPORTED_YET"
    title = "Comes later"
