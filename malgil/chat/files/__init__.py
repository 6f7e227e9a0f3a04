"""Files that people bring into a session: streamed in, looked at by content, kept as blobs, shown to its participants.

Promises that a file is never whole in memory, that its type is what its bytes say, that nobody who takes no part in a
session it hangs in can get it or learn of it, and that no blob is left without a row to find it by. It never runs,
renders or trusts what a file holds.
"""
