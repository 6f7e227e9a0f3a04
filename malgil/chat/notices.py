"""What a session's list of messages says by itself: who came and who went, in Korean and in English."""

from typing import Any

from malgil.chat.events import ParticipantJoined, ParticipantLeft


def notice(fact: ParticipantJoined | ParticipantLeft) -> str:
    """The message as people read it."""
    who, by = fact.user_id, fact.by
    match fact:
        case ParticipantJoined():
            return f"{by} 님이 {who} 님을 초대했습니다. · {by} added {who}."
        case ParticipantLeft() if who == by:
            return f"{who} 님이 나갔습니다. · {who} left."
        case ParticipantLeft():
            return f"{by} 님이 {who} 님을 내보냈습니다. · {by} removed {who}."


def details(fact: ParticipantJoined | ParticipantLeft) -> dict[str, Any]:
    """The message as programs read it, in its metadata."""
    match fact:
        case ParticipantJoined():
            return {"event": "user_joined", "user_id": fact.user_id, "by": fact.by, "role": fact.role}
        case ParticipantLeft():
            return {"event": "user_left", "user_id": fact.user_id, "by": fact.by}
