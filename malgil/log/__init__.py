"""What happened: append-only streams with dense `seq`, read by cursor, compacted, followed and consumed.

Promises that an entry's (epoch, seq) never has two payloads, that a stream has no gap, that an old fence is refused
by the append statement itself, and that a whole-log consumer never skips. Never knows what a fact means.
"""
