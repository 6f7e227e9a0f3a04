"""Who takes part in a session, and what is unread for them.

Promises that whoever is sent away sees nothing that was said after it, and that unread counts cost the posting of
messages nothing: they are hints, gathered and told behind it.
"""
