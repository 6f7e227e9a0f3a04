"""Errors, named by the reaction they ask for. Each carries what RFC 9457 problem details need.

    MalgilError
    ├── Invalid             422  mend the request
    │   └── Mismatch        422  the same idempotency key came with another body
    ├── Unauthenticated     401  sign in
    ├── Forbidden           403  ask for another role
    ├── NotFound            404  it does not exist, or it is somebody else's: we never say which
    ├── Conflict            409  read again, then decide
    ├── TooLarge            413  send less
    ├── UnsupportedType     415  send another type
    ├── RateLimited         429  wait, then retry
    └── Unavailable         503  a needed part is down: wait, then retry

`code` is stable and public; `detail` is for people and never holds SQL, a path or a stack.
"""

from typing import ClassVar, TypedDict


class FieldError(TypedDict):
    """One faulty field: where it stands (`body.content`) and what is wrong with it."""

    field: str
    message: str


class MalgilError(Exception):
    """The root. `title` and `code` may be narrowed by a subclass or by a single raise."""

    status: ClassVar[int] = 500
    code: str = "INTERNAL"
    title: str = "Internal error"

    def __init__(self, detail: str, *, code: str | None = None, errors: list[FieldError] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.errors = errors or []


class Invalid(MalgilError):
    status = 422
    code = "INVALID_REQUEST"
    title = "Invalid request"


class Mismatch(Invalid):
    code = "IDEMPOTENCY_MISMATCH"
    title = "Idempotency key used with another body"


class Unauthenticated(MalgilError):
    status = 401
    code = "UNAUTHENTICATED"
    title = "Not signed in"


class Forbidden(MalgilError):
    status = 403
    code = "FORBIDDEN"
    title = "Not allowed"


class NotFound(MalgilError):
    status = 404
    code = "NOT_FOUND"
    title = "Not found"


class Conflict(MalgilError):
    status = 409
    code = "CONFLICT"
    title = "Conflict"


class TooLarge(MalgilError):
    status = 413
    code = "TOO_LARGE"
    title = "Too large"


class UnsupportedType(MalgilError):
    status = 415
    code = "UNSUPPORTED_TYPE"
    title = "Unsupported type"


class _Later(MalgilError):
    """Errors after which the same request may succeed; `retry_after` is in seconds."""

    def __init__(self, detail: str, *, retry_after: float = 1.0, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after = retry_after


class RateLimited(_Later):
    status = 429
    code = "RATE_LIMITED"
    title = "Too many requests"


class Unavailable(_Later):
    status = 503
    code = "UNAVAILABLE"
    title = "Temporarily unavailable"
