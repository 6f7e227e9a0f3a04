"""Who answers: agents, their models and tools, and turns — one answer being made, with lease and fence.

Promises one running turn a session, one terminal state a turn, at most one run of a tool that is not idempotent, and
that an answer goes on where it was after its process died. Never knows how messages are stored (see transcript.py).
"""
