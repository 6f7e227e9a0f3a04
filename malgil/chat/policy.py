"""Who may do what in a session. A caller with no role in it is told that it does not exist (errors.py)."""

from malgil.chat.errors import ReadOnly, SessionArchived
from malgil.chat.model import Role, Status


def can_post(role: Role) -> bool:
    """Say something, stop an answer, be seen typing."""
    return role in ("owner", "member")


def can_manage(role: Role) -> bool:
    """Change the title, the metadata, the policy; archive and restore."""
    return role == "owner"


def require_post(session_id: str, status: Status, role: Role) -> None:
    """Raises SessionArchived or ReadOnly when a message may not be posted."""
    if not can_post(role):
        raise ReadOnly("You take part in this session as a reader.")
    if status != "active":
        raise SessionArchived(session_id)


def require_manage(role: Role) -> None:
    """Raises ReadOnly for anybody but the owner."""
    if not can_manage(role):
        raise ReadOnly("Only the session's owner may change it.")
