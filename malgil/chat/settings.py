"""Settings of the chat room, built once in app."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """`answer_wait`: seconds that `POST /agent/chat` waits. `default_agent`: who answers when nobody was named."""

    answer_wait: float = 120.0
    default_agent: int = 1
    batch: int = 256
    """Most messages that one transaction writes."""
