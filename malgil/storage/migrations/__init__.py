"""The history of the schema: one file a revision in `versions/`, named by its revision, never edited once released."""
