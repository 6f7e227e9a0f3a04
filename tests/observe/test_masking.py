"""Masking: no secret survives, however it is wrapped."""

import json
import string
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from malgil.observe.masking import mask, mask_item, mask_text

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtaW5hIn0.c2lnbmF0dXJlLW9mLXRoaXM"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail to mina.kim+x@example.com now", "mail to m***@example.com now"),
        ("<a@b.co>, c@d.co.kr", "<a***@b.co>, c***@d.co.kr"),
        ("민아@example.com", "민***@example.com"),
        (f"token {JWT} end", "token *** end"),
        ("GET /ws/s?token=abc123&after=start", "GET /ws/s?token=***&after=start"),
        ("GET /ws/s?after=start&token=abc123", "GET /ws/s?after=start&token=***"),
        ("Authorization: Bearer abc.def", "Authorization: *** ***"),
        ("bearer abc123==", "bearer ***"),
        ("postgresql://malgil:hunter2@db:5432/x", "postgresql://malgil:***@db:5432/x"),
        ("postgresql://malgil:p@ss/w:rd@db/x", "postgresql://malgil:***@db/x"),
        ("redis://:hunter2@cache/2", "redis://:***@cache/2"),
        ("key mk_live_0123456789abcdef", "key ***"),
        ("OpenAI sk-proj-0123456789 refused", "OpenAI *** refused"),
        ("AWS AKIAIOSFODNN7EXAMPLE", "AWS ***"),
        ("password=hunter2 user=mina", "password=*** user=mina"),
        ("password = 'hunter 2', user", "password = ***, user"),
        ('{"password": "hunter 2", "user": 1}', '{"password": ***, "user": 1}'),
        (r'"{\"api_key\": \"hunter2\"}"', r'"{\"api_key\": ***}"'),
        ("JWT_SECRET_KEY=hunter2", "JWT_SECRET_KEY=***"),
        ("LLM_API_KEY: hunter2", "LLM_API_KEY: ***"),
        ("Cookie: session=hunter2", "Cookie: ***"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nrest", "***\nrest"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE cut off", "***"),
        ("tokens_used=25 in 3 steps, http://host:8003/path", "tokens_used=25 in 3 steps, http://host:8003/path"),
        ("주문 상태를 확인합니다", "주문 상태를 확인합니다"),
        ("trace_0199aabbccddeeff sess_01 message 3@5", "trace_0199aabbccddeeff sess_01 message 3@5"),
    ],
)
def test_text(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    "name",
    ["password", "PASSWORD", "user_password", "token", "access_token", "refreshToken", "secret", "client_secret",
     "JWT_SECRET_KEY", "api_key", "apiKey", "x-api-key", "Authorization", "cookie", "set-cookie", "credentials",
     "encryption_keys", "AWS_SECRET_ACCESS_KEY", "private_key"],
)
@pytest.mark.parametrize("value", ["hunter2", 1234, ["hunter2"], {"a": "hunter2"}, b"hunter2"])
def test_a_value_whose_name_is_secret_is_hidden_whole(name: str, value: Any) -> None:
    assert mask_item(name, value) == "***"
    assert mask([{"deep": ({name: value},)}]) == [{"deep": [{name: "***"}]}]


@pytest.mark.parametrize(("name", "value"), [("tokens", 25), ("tokens_used", 25), ("token", None), ("key", "order-1")])
def test_counts_and_absent_values_stay(name: str, value: Any) -> None:
    assert mask_item(name, value) == value


class Account(BaseModel):
    email: str
    password: str
    pin: SecretStr = SecretStr("hunter2")


@dataclass
class Login:
    user: str
    api_key: str


def test_foreign_objects_become_masked_text() -> None:
    for thing in (Account(email="mina@example.com", password="hunter2"), Login("mina@example.com", "hunter2"),
                  ValueError("password=hunter2 for mina@example.com"), b"token=hunter2 of mina@example.com"):
        text = mask({"thing": thing})["thing"]
        assert "hunter2" not in text
        assert "mina@" not in text


def test_keys_are_masked_too() -> None:
    assert mask({"mina@example.com": 1}) == {"m***@example.com": 1}


def test_plain_values_stay_as_they_are() -> None:
    plain = {"n": 1, "f": 1.5, "yes": True, "none": None, "list": [1, "two"]}
    assert mask(plain) == plain
    assert mask({1, 2}) == [1, 2]
    assert mask(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00+00:00"


def test_a_value_that_holds_itself_ends() -> None:
    circle: dict[str, Any] = {"email": "mina@example.com"}
    circle["self"] = circle
    assert "mina@" not in json.dumps(mask(circle))


WORDS = st.text(alphabet=string.ascii_letters + string.digits, min_size=12, max_size=40)
AROUND = st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)


@given(secret=WORDS, before=AROUND, after=AROUND)
def test_no_secret_survives_whatever_stands_around_it(secret: str, before: str, after: str) -> None:
    assume(secret not in before + after)
    for form in ("password={}", "api_key: {}", "?token={}", "redis://:{}@cache", "Bearer {}", '"secret": "{}"'):
        assert secret not in mask_text(f"{before} {form.format(secret)} {after}")
    assert secret not in mask_text(f"{before} eyJ{secret}.{secret}.{secret} {after}")
    assert secret not in mask_text(f"{before} mk_{secret} {after}")
    assert f"{secret}@" not in mask_text(f"{before} {secret}@example.com {after}")


@given(value=JSON, secret=WORDS, name=st.sampled_from(["password", "x_token", "apiKey"]))
def test_no_secret_survives_however_deep(value: Any, secret: str, name: str) -> None:
    assume(secret not in json.dumps(value))
    for wrapped in ({name: secret, "other": value}, [value, {name: [secret, value]}], {"a": {"b": {name: secret}}}):
        assert secret not in json.dumps(mask(wrapped))


@given(value=JSON)
def test_masked_values_are_json_and_masking_twice_changes_nothing(value: Any) -> None:
    once = mask(value)
    json.dumps(once)
    assert mask(once) == once


@given(text=st.text(alphabet=st.characters(exclude_characters="@=:.", exclude_categories=["Cs"]), max_size=80))
def test_masking_text_twice_changes_nothing(text: str) -> None:
    assert mask_text(mask_text(text)) == mask_text(text)


@pytest.mark.parametrize(
    "unit", ["a", "a.", "a@", "token", "ey", "http://a:", "Bearer ", "-----BEGIN PRIVATE KEY-----", "=", ":", "token='"]
)
def test_long_text_takes_time_in_proportion(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        begun = time.process_time()
        mask_text(text)
        return time.process_time() - begun

    # Sixteen times the text; a quadratic rule would take 256 times as long.
    assert seconds(160_000) < 64 * max(seconds(10_000), 0.001)
