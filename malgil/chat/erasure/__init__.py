"""Erasing a session for good.

Promises that an erased session is gone for everybody at once, that when the answer is given its content is nowhere in
the database, and that a process that dies half-way is finished for by another. A session's log keeps one entry: that
it was erased, and by whom.
"""
