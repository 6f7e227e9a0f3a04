"""Errors: each asks for one reaction, with a status and a stable code of its own."""

import pytest

from malgil.kit.errors import (
    Conflict,
    Forbidden,
    Invalid,
    MalgilError,
    Mismatch,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedType,
)

REACTIONS: list[tuple[type[MalgilError], int, str]] = [
    (Invalid, 422, "INVALID_REQUEST"),
    (Mismatch, 422, "IDEMPOTENCY_MISMATCH"),
    (Unauthenticated, 401, "UNAUTHENTICATED"),
    (Forbidden, 403, "FORBIDDEN"),
    (NotFound, 404, "NOT_FOUND"),
    (Conflict, 409, "CONFLICT"),
    (TooLarge, 413, "TOO_LARGE"),
    (UnsupportedType, 415, "UNSUPPORTED_TYPE"),
    (RateLimited, 429, "RATE_LIMITED"),
    (Unavailable, 503, "UNAVAILABLE"),
]


@pytest.mark.parametrize(("kind", "status", "code"), REACTIONS, ids=lambda value: getattr(value, "__name__", None))
def test_status_and_code(kind: type[MalgilError], status: int, code: str) -> None:
    error = kind("what happened")
    assert (error.status, error.code, error.detail, str(error)) == (status, code, "what happened", "what happened")
    assert error.title != MalgilError.title


def test_a_single_raise_may_narrow_the_code_for_itself_only() -> None:
    assert Invalid("x", code="INVALID_CURSOR").code == "INVALID_CURSOR"
    assert Invalid("x").code == "INVALID_REQUEST"


def test_faulty_fields_come_along() -> None:
    error = Invalid("x", errors=[{"field": "body.content", "message": "too long"}])
    assert error.errors == [{"field": "body.content", "message": "too long"}]
    assert Invalid("x").errors == []


def test_later_says_how_much_later() -> None:
    assert RateLimited("x", retry_after=2.5).retry_after == 2.5
    assert Unavailable("x", code="DATABASE_UNAVAILABLE").retry_after == 1.0
