"""What the fuzzer cannot know from the description: what formats of ours mean, and which headers depend on others."""

import itertools
from base64 import b64decode
from typing import Any
from uuid import uuid4

import schemathesis
from hypothesis import strategies as st
from schemathesis.openapi.checks import RejectedPositiveData

_BEYOND_A_SCHEMA = frozenset({
    "INVALID_CURSOR", "INVALID_MARK",  # ids that only the server gives out
    "UNKNOWN_AGENT", "NO_AGENT", "OTHER_AGENT", "NOTHING_TO_ANSWER",  # there is no such thing here
    "FILE_TYPE_NOT_ALLOWED", "FILE_DAMAGED",  # by its content
})
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
_NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=128)
_PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
_FILES = st.sampled_from([_PIXEL, "영수증 1장".encode(), b"%PDF-1.4\n%%EOF\n"]) | st.binary(min_size=1)
_TURNS = itertools.count()

schemathesis.openapi.format("said", _TEXTS.filter(str.strip))
schemathesis.openapi.format("user-name", _NAMES)
schemathesis.openapi.format("binary", _FILES)


@schemathesis.hook
def before_load_schema(_context: Any, raw_schema: Any) -> None:
    r"""Texts that have to say something: drawn from the pattern `\S` each takes half a second."""
    parts = [raw_schema]
    while parts:
        part = parts.pop()
        if isinstance(part, dict) and part.get("pattern") == r"\S":
            part |= {"format": "said"}
            del part["pattern"]
        parts += part.values() if isinstance(part, dict) else part if isinstance(part, list) else []


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """A good Idempotency-Key is a new one: one that came with another body before is refused, as it should be.

    And the session's log is asked for as a page and as a stream, in turns: `Accept` is no parameter in OpenAPI. As a
    stream it is read from its start, where there is something to see: at its end one would wait.
    """
    headers = case.headers or {}
    key = headers.get("Idempotency-Key")
    if key and key.isascii() and key.isprintable() and len(key) < 200:
        case.headers["Idempotency-Key"] = f"{key}-{uuid4()}"
    if case.operation.path.endswith("/events") and next(_TURNS) % 2:
        case.headers["Accept"] = "text/event-stream"
        case.query.setdefault("after", "start")


@schemathesis.hook
def filter_failure(_context: Any, failure: Any, _case: Any, response: Any) -> bool:
    """A request that fits the schema may still be refused with 422 by a code of its own, never as INVALID_REQUEST."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    return response.json().get("code") not in _BEYOND_A_SCHEMA
