"""What a schema says of a number or a name is what is accepted."""

from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from pydantic import ValidationError

from malgil.chat.requests import CreateSession, EditMessage, MarkRead, PatchSession


@pytest.mark.parametrize("seq", [0, 41, 41.0, 2**62])
def test_a_whole_number_is_whole_however_it_is_written(seq: float) -> None:
    read = MarkRead.model_validate({"seq": seq}).seq
    assert (read, type(read)) == (int(seq), int)


@pytest.mark.parametrize(
    ("model", "body"),
    [(MarkRead, {"seq": 41.5}), (MarkRead, {"seq": True}), (MarkRead, {"seq": "41"}), (MarkRead, {"seq": -1.0}),
     (MarkRead, {"seq": 2**62 + 1}), (CreateSession, {"agent_id": 0}), (CreateSession, {"user_id": 1.5}),
     (CreateSession, {"user_id": True}), (PatchSession, {}), (EditMessage, {"content": " \t\n"})],
)
def test_what_the_schema_refuses_is_refused(model: Any, body: dict[str, Any]) -> None:
    assert not Draft202012Validator(model.model_json_schema()).is_valid(body)
    with pytest.raises(ValidationError):
        model.model_validate(body)


@pytest.mark.parametrize("user_id", [123, 123.0, "이지은", None])
def test_a_user_may_be_played_by_name_or_number(user_id: Any) -> None:
    assert CreateSession.model_validate({"user_id": user_id}).user_id == user_id
