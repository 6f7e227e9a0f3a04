"""One file a benchmark: `run(quick)` answers its figures, and its docstring says what they mean."""
