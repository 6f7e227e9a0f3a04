"""Problem details as the API's description shows them: one schema, and per status what it means, with real ones."""

from typing import Any, Final

from malgil.access.errors import StillUnderWay
from malgil.agents.errors import AgentUnavailable
from malgil.app.problems import PROBLEM, problem
from malgil.chat import errors as chat
from malgil.chat.files import errors as files
from malgil.kit import errors, json
from malgil.kit.errors import FieldError, MalgilError

Json = dict[str, Any]

PROBLEM_SCHEMA: Final[Json] = {
    "title": "Problem", "type": "object", "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "code", "trace_id"], "additionalProperties": False,
    "properties": {
        "type": {"type": "string", "pattern": "^/errors/"},
        "title": {"type": "string", "description": "For people; the same for every problem with this `code`."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "For people: what is wrong this time."},
        "code": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]*$", "description": "Stable; for programs."},
        "trace_id": {"type": ["string", "null"], "description": "That of X-Trace-Id."},
        "errors": {
            "type": "array", "description": "Single fields at fault.",
            "items": {
                "type": "object", "required": ["field", "message"], "additionalProperties": False,
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}

_SESSION: Final = "sess_01kb2q8w0f3v9xk7n5t1m4c6ze"
_MESSAGE: Final = "msg_01kb2q8w0f3v9xk7n5t1m4c6ze"
_FILE: Final = "file_01kb2q8w0f3v9xk7n5t1m4c6ze"
_TRACE: Final = "trace_01a1fa79a65fb44052c1717295225aad"

_MEANING: Final[dict[int, tuple[str, tuple[MalgilError, ...]]]] = {
    401: ("No token, or a bad one.", (
        errors.Unauthenticated("Send a token: `Authorization: Bearer <token>`."),
        errors.Unauthenticated("The token has expired.", code="TOKEN_EXPIRED"),
    )),
    403: ("The caller may see it and may not do this; or a page of a foreign origin asks.", (
        chat.ReadOnly("You only read along in this session."),
        errors.Forbidden("You may act as yourself only.", code="NOT_YOU"),
        errors.Forbidden(
            "This origin is not allowed; the operator may list it in CORS_ORIGINS.", code="ORIGIN_REFUSED"
        ),
    )),
    404: ("It does not exist, or it is somebody else's: never said which.", (
        chat.SessionNotFound(_SESSION), chat.MessageNotFound(_MESSAGE), chat.ParticipantNotFound("lee"),
        files.FileNotFound(_FILE),
    )),
    409: ("The state does not allow it now: read again, then decide.", (
        chat.SessionArchived(_SESSION), chat.AgentBusy(_SESSION),
        StillUnderWay("A request with this Idempotency-Key has not left an answer."),
        files.ClientIdTaken("A message without a file has this client_message_id."),
    )),
    413: ("Too large.", (errors.TooLarge("The body may have at most 1048576 bytes."), files.FileTooLarge(10_485_760))),
    415: ("Another type than is read here.", (
        errors.UnsupportedType("Send the body with `Content-Type: application/json`."),
        files.TypeNotAllowed("application/x-dosexec"),
    )),
    422: ("The request does not fit; mend it.", (
        errors.Invalid(
            "The request does not fit; `errors` says where.",
            errors=[FieldError(field="body.titel", message="Extra inputs are not permitted")],
        ),
        chat.UnknownAgent(99),
        errors.Mismatch("This Idempotency-Key was used before for another request."),
    )),
    429: ("Too many requests: wait as Retry-After says.", (
        errors.RateLimited("Too many requests; try again later.", retry_after=5),
    )),
    503: ("A needed part is down, or the answer takes too long: wait as Retry-After says.", (
        errors.Unavailable("The database does not answer.", code="DATABASE_UNAVAILABLE"),
        chat.AnswerPending(_SESSION, _MESSAGE), AgentUnavailable("The model does not answer."),
    )),
}
_HEADERS: Final = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}


def headers(*names: str) -> Json:
    """These headers, which are described once for all answers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def problem_responses(*shown: str) -> Json:
    """Status → the problems an operation may answer with; `shown` are headers that each of them has."""
    return {
        str(status): {
            "description": meaning,
            "headers": headers(*shown, *([_HEADERS[status]] if status in _HEADERS else [])),
            "content": {PROBLEM: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {one.code: {"summary": one.title, "value": _body(one)} for one in known},
            }},
        }
        for status, (meaning, known) in _MEANING.items()
    }


def _body(error: MalgilError) -> Json:
    body: Json = json.loads(bytes(problem(error).body))
    return body | {"trace_id": _TRACE}
