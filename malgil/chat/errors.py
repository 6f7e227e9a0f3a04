"""What can go wrong in a chat.

    NotFound
    ├── SessionNotFound   404  it does not exist, or it is somebody else's
    ├── Gone (realtime)   404  it has been erased; said to those who took part
    ├── ParticipantNotFound 404 nobody of that name takes part
    └── MessageNotFound   404  it is not in this session, or it was deleted
    Forbidden
    ├── ReadOnly          403  you may read here, not write or manage
    ├── NotYourMessage    403  somebody else said it
    └── SentAway          403  you do not take part any more
    Conflict
    ├── SessionArchived   409  restore it first
    ├── OwnerStays        409  an owner neither leaves nor gets another role
    ├── SessionFull       409  as many take part as may
    ├── AgentBusy         409  an answer is being made and the session takes one message at a time
    ├── TurnStopped       409  the question was taken back before anybody answered it
    ├── TooLongToBranch   409  more history than one branch may copy
    └── NameTaken         409  something with this id exists
    Unavailable
    ├── AnswerPending     503  it is still being written: fetch it later
    └── AnswerFailed      503  the agent could not answer
    Invalid
    ├── UnknownAgent      422
    ├── NoAgent           422  nobody is there to answer
    ├── NothingToAnswer   422  no agent was asked by this message, and it answers none
    ├── OtherAgent        422  somebody else answers in this session
    └── ComesLater        422  part of the contract, not of this version
"""

from malgil.kit.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, Unavailable


class SessionNotFound(NotFound):
    code = "SESSION_NOT_FOUND"
    title = "Session not found"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"No session {session_id!r} that you may see.")


class MessageNotFound(NotFound):
    code = "MESSAGE_NOT_FOUND"
    title = "Message not found"

    def __init__(self, message_id: str) -> None:
        super().__init__(f"No message {message_id!r} in this session.")


class ReadOnly(Forbidden):
    code = "READ_ONLY"
    title = "Not allowed in this session"


class NotYourMessage(Forbidden):
    code = "NOT_YOUR_MESSAGE"
    title = "Somebody else's message"


class SentAway(Forbidden):
    code = "NOT_A_PARTICIPANT"
    title = "Not a participant any more"


class ParticipantNotFound(NotFound):
    code = "PARTICIPANT_NOT_FOUND"
    title = "Participant not found"

    def __init__(self, user_id: str) -> None:
        super().__init__(f"{user_id!r} does not take part in this session.")


class OwnerStays(Conflict):
    code = "OWNER_STAYS"
    title = "The owner stays the owner"


class SessionFull(Conflict):
    code = "SESSION_FULL"
    title = "Too many participants"


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


class TooLongToBranch(Conflict):
    code = "TOO_LONG_TO_BRANCH"
    title = "Too much history for a branch"

    def __init__(self, most: int) -> None:
        super().__init__(f"A branch copies at most {most} messages; branch at an earlier one.")


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


class NothingToAnswer(Invalid):
    code = "NOTHING_TO_ANSWER"
    title = "This message asks nothing"

    def __init__(self, message_id: str) -> None:
        super().__init__(f"Message {message_id!r} is neither a user's nor the answer to a user's that is still there.")


class OtherAgent(Invalid):
    code = "OTHER_AGENT"
    title = "Another agent answers in this session"


class ComesLater(Invalid):
    code = "NOT_SUPPORTED_YET"
    title = "Comes later"
