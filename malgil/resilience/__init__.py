"""The public toolkit for work that may be too much, too slow or broken: limits, timeouts, batches, breaker, retries.

Promises that nothing is started that is not awaited or cancelled. Standard library only; knows nothing of Malgil.
"""
