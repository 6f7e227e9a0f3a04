"""Chat: sessions, who takes part in them, and what was said.

Promises that an accepted message is logged and its turn is queued in one transaction, that n sends of one
`client_message_id` make one message, and that nobody learns of a session that is not theirs. It never writes an
answer: agents do, and hand the finished one over through the Transcript port.
"""
