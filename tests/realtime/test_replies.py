import pytest

from malgil.kit import json
from malgil.kit.errors import (
    Conflict,
    Forbidden,
    Invalid,
    MalgilError,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from malgil.realtime.errors import Gone, Resync
from malgil.realtime.replies import close_code, close_reason, error_frame


@pytest.mark.parametrize(("error", "code"), [
    (Unauthenticated("x"), 4401), (Forbidden("x"), 4403), (NotFound("x"), 4404), (Gone("x"), 4410),
    (NotFound("x", code="SESSION_ERASED"), 4410), (Invalid("x"), 4404), (RateLimited("x"), 4429), (Resync("x"), 4002),
    (Unavailable("x"), 1013), (MalgilError("x"), 1011),
])
def test_close_codes(error: MalgilError, code: int) -> None:
    assert close_code(error) == code


@pytest.mark.parametrize(("error", "code"), [
    (Invalid("x"), "INVALID_MESSAGE"), (TooLarge("x"), "TOO_LARGE"), (NotFound("x"), "NOT_FOUND"),
    (Forbidden("x"), "FORBIDDEN"), (Conflict("x"), "BUSY"),
    (Conflict("x", code="SESSION_ARCHIVED"), "SESSION_ARCHIVED"),
    (Unavailable("x", code="AGENT_UNAVAILABLE"), "AGENT_UNAVAILABLE"), (Unavailable("x"), "INTERNAL"),
    (RateLimited("x"), "RATE_LIMIT"), (MalgilError("x"), "INTERNAL"),
])
def test_error_codes(error: MalgilError, code: str) -> None:
    assert json.loads(error_frame(error))["code"] == code


def test_waiting_times_are_in_milliseconds() -> None:
    assert json.loads(error_frame(RateLimited("Too many messages", retry_after=5))) == {
        "type": "error", "code": "RATE_LIMIT", "message": "Too many messages", "retry_after": 5000,
    }


def test_the_sender_learns_which_message_was_refused() -> None:
    frame = json.loads(error_frame(TooLarge("x"), {"type": "message", "client_message_id": "c9"}))
    assert frame["client_message_id"] == "c9"


def test_a_reason_fits_into_a_close_frame() -> None:
    assert close_reason("가" * 100) == "가" * 41
    assert close_reason("short") == "short"
