"""Search over messages: an index of their terms, kept from the log, and the question asked of it.

Promises that nobody finds what they may not see, and nobody what a message no longer says: every hit is held against
the message and the participants as they are when the question is asked, so a late index hides, but never shows. Costs
are bounded for every word and every caller.
"""
