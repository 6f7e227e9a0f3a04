"""What can go wrong with an answer.

    MalgilError
    ├── CannotContinue    the model cannot go on from the half-written text: reset, then write anew
    └── AgentUnavailable  503  the model cannot be used
"""

from malgil.kit.errors import MalgilError, Unavailable


class CannotContinue(MalgilError):
    status = 409
    code = "CANNOT_CONTINUE"
    title = "The text cannot be continued"


class AgentUnavailable(Unavailable):
    code = "AGENT_UNAVAILABLE"
    title = "The agent cannot answer"
