"""Who may do what, how often: callers, tokens, the cross-site guard, idempotency keys.

Promises that a caller is who the token says, and that one idempotency key makes one effect. Never knows a session.
"""
