"""Log lines: one a line, with trace id, masked, and nothing formatted for lines nobody reads."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from malgil.observe import logs
from malgil.observe.trace import tracing


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield io.StringIO()
    root.handlers[:], root.level = before
    structlog.reset_defaults()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_of_the_standard_library_and_one_of_structlog_look_alike(stream: io.StringIO) -> None:
    logs.configure("INFO", "json", stream)
    with tracing("trace_1"):
        logging.getLogger("malgil.chat").info("session %s opened", "sess_1", extra={"user": "mina@example.com"})
        structlog.get_logger("malgil.chat").info("session %s opened", "sess_1", user="mina@example.com")
    first, second = lines(stream)
    assert first.pop("timestamp").endswith("Z")
    second.pop("timestamp")
    assert first == second == {
        "event": "session sess_1 opened", "user": "m***@example.com", "level": "info", "logger": "malgil.chat",
        "trace_id": "trace_1",
    }


def test_outside_any_request_the_trace_id_is_null(stream: io.StringIO) -> None:
    logs.configure("INFO", "json", stream)
    logging.getLogger("malgil").warning("no disk")
    assert lines(stream)[0]["trace_id"] is None


def test_exceptions_are_masked_and_stay_on_one_line(stream: io.StringIO) -> None:
    logs.configure("INFO", "json", stream)
    try:
        try:
            raise ValueError("cannot connect to postgresql://malgil:hunter2@db/x")
        except ValueError as e:
            raise RuntimeError("for mina@example.com with token=abc123xyz") from e
    except RuntimeError:
        logging.getLogger("malgil").exception("it %s", "failed")
    (line,) = lines(stream)
    assert "ValueError" in line["exception"]
    assert "RuntimeError" in line["exception"]
    for secret in ("hunter2", "mina@", "abc123xyz"):
        assert secret not in stream.getvalue()


def test_named_secrets_are_masked_deep_inside(stream: io.StringIO) -> None:
    logs.configure("INFO", "json", stream)
    structlog.get_logger().info("sent", headers={"Authorization": "hunter2"}, bodies=[{"password": "hunter2"}])
    logging.getLogger("malgil").info("sent %s", {"api_key": "hunter2"}, extra={"token": "hunter2"})
    assert "hunter2" not in stream.getvalue()
    assert len(lines(stream)) == 2


@pytest.mark.parametrize("form", ["json", "console"])
def test_nothing_is_formatted_below_the_level(stream: io.StringIO, form: logs.Format) -> None:
    class Dear:
        def __str__(self) -> str:
            raise AssertionError("was formatted")

        __repr__ = __str__

    logs.configure("INFO", form, stream)
    logging.getLogger("malgil").debug("is %s", Dear(), extra={"more": Dear()})
    structlog.get_logger("malgil").debug("is %s", Dear(), more=Dear())
    assert stream.getvalue() == ""


def test_auto_is_console_on_a_terminal_and_json_elsewhere(stream: io.StringIO) -> None:
    logs.configure("INFO", "auto", stream)
    logging.getLogger("malgil").info("hello")
    assert lines(stream)[0]["event"] == "hello"
    terminal = Terminal()
    logs.configure("INFO", "auto", terminal)
    with tracing("trace_1"):
        logging.getLogger("malgil").info("hello mina@example.com")
    assert "m***@example.com" in terminal.getvalue()
    assert "trace_1" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


def test_console_lines_show_masked_exceptions(stream: io.StringIO) -> None:
    logs.configure("INFO", "console", stream)
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        logging.getLogger("malgil").exception("failed")
    assert "Traceback" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_configured_again_a_line_is_written_once(stream: io.StringIO) -> None:
    logs.configure("INFO", "json", stream)
    logs.configure("INFO", "json", stream)
    logging.getLogger("malgil").info("once")
    assert len(lines(stream)) == 1


def test_a_line_that_cannot_be_formatted_is_named_not_shown(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("INFO", "json", stream)
    logging.getLogger("malgil").info("password=%d", "hunter2")
    said = capsys.readouterr().err
    assert "malgil" in said
    assert "test_logs.py" in said
    assert "hunter2" not in said + stream.getvalue()


def test_an_unknown_level_is_refused(stream: io.StringIO) -> None:
    with pytest.raises(ValueError, match="LOUD"):
        logs.configure("LOUD", "json", stream)
