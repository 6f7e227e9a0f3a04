"""Fixtures for every room, kept by concern in `tests/fixtures/`."""

pytest_plugins = [
    "tests.fixtures.database",
    "tests.fixtures.folders",
    "tests.fixtures.redis",
    "tests.fixtures.s3",
    "tests.fixtures.time",
    "tests.fixtures.words",
]
