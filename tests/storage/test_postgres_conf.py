"""The settings of the embedded server as PostgreSQL reads them."""

from malgil.storage.postgres_conf import SETTINGS, render


def test_values_are_quoted() -> None:
    text = render({"a": "1", "b": "it's", "c": '"/with \\ and , "', "d": ""})
    assert text.splitlines()[1:] == ["a = '1'", "b = 'it''s'", "c = '\"/with \\\\ and , \"'", "d = ''"]


def test_nothing_durable_is_switched_off() -> None:
    assert {SETTINGS[name] for name in ("fsync", "synchronous_commit", "full_page_writes")} == {"on"}
