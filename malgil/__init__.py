"""Malgil: a crash-durable, real-time backend for AI agents and chat. `docs/architecture.md` draws the house."""

__version__ = "0.2.0"
