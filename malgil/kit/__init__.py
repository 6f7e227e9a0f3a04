"""The language every room speaks: ids, clock, errors, pages, json, text.

Standard library and pydantic only. Never does I/O, never imports another room.
"""
