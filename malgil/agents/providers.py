"""Which models there are and what each can do. The composition root fills the catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_ai.models import Model

from malgil.agents.errors import AgentUnavailable


@dataclass(frozen=True, slots=True)
class Provided:
    """A model and its capabilities. `continues_prefix`: given its own half-written text, it writes only the rest."""

    model: Model
    continues_prefix: bool = False


class ModelCatalogue:
    """Models by the name that agents use."""

    def __init__(self, models: Mapping[str, Provided]) -> None:
        self._models = dict(models)

    def get(self, name: str) -> Provided:
        """The model of that name; raises AgentUnavailable when this installation has none."""
        found = self._models.get(name)
        if found is None:
            raise AgentUnavailable(f"No model {name!r} is configured here.")
        return found
