"""A schema-driven fuzzer over the API as it describes itself, against a real server."""
