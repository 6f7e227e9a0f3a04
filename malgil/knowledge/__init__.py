"""Knowledge: what agents can look up. For now the text of files that people bring into a chat.

Promises that reading a document is bounded in time, memory and length, whatever the document claims of itself, and
that one that cannot be read is no text and no error. It never writes anything and never follows what a document says.
"""
