"""Which tool a clause means, by how much of what it says the tools say of themselves; none under a threshold."""

import math
from collections.abc import Sequence

from malgil.agents.offline.lexicon import ACTING, LIGHT
from malgil.agents.offline.profile import Profile
from malgil.agents.offline.reading import Reading
from malgil.agents.offline.words import CONCEPT, is_korean, likeness

_ENOUGH = 0.5
_COVERED = 0.25
_FUZZY, _FUZZY_FROM = 0.7, 0.6
_LIGHT = 0.6
_WISH_BONUS, _NAMED_BONUS, _LIST_BONUS = 0.5, 0.4, 0.5
_UNASKED = 0.3


def choose(reading: Reading, tools: Sequence[Profile]) -> Profile | None:
    """The tool the clause means most, or None when none is meant enough."""
    matches = [{unit: m for unit in reading.units if (m := _match(unit, tool))} for tool in tools]
    rarity = _rarity(reading.units, matches)
    content = len(reading.units)
    best: tuple[float, Profile] | None = None
    for tool, match in zip(tools, matches, strict=True):
        raw = sum(weight * rarity[unit] for unit, weight in match.items())
        covered = len(match) / content if content else 0.0
        if raw == 0 or not ((raw >= _ENOUGH and covered >= _COVERED) or covered == 1):
            continue
        score = _leaning(raw, reading, tool)
        if best is None or score > best[0]:
            best = (score, tool)
    return best[1] if best else None


def _match(unit: str, tool: Profile) -> float:
    """How much of the unit the tool speaks of: by the same word or concept, or, for Korean stems, by syllable pairs."""
    weight = tool.weights.get(unit)
    if weight is not None:
        return weight * (_LIGHT if unit in LIGHT else 1.0)
    if unit.startswith(CONCEPT) or not is_korean(unit):
        return 0.0
    alike = likeness(unit, tool.pairs)
    return _FUZZY * alike if alike >= _FUZZY_FROM else 0.0


def _rarity(units: Sequence[str], matches: Sequence[dict[str, float]]) -> dict[str, float]:
    """1 for what one tool alone speaks of, less for what several do."""
    most = 1 + math.log(max(1, len(matches)))
    shared = {unit: sum(unit in match for match in matches) for unit in units}
    return {unit: (1 + math.log(len(matches) / n)) / most if n else 0.0 for unit, n in shared.items()}


def _leaning(raw: float, reading: Reading, tool: Profile) -> float:
    """The score after what the clause asks for: an action, a certain thing, or only to know."""
    if tool.acts:
        raw = raw + _WISH_BONUS if wished(reading, tool) else raw * _UNASKED
    if reading.lists and "#list" in tool.name_units:
        raw += _LIST_BONUS
    needed = tool.names_thing
    if needed is not None and reading.ids:
        raw += _NAMED_BONUS
    elif needed is not None and needed.required and not reading.refers:
        # Alike, the tool that can answer at once comes before the one that has to ask back.
        raw -= 0.01
    return raw


def wished(reading: Reading, tool: Profile) -> bool:
    """Whether the clause plainly asks for what the tool does: as a request, or beginning with its verb."""
    if reading.negated:
        return False
    first = next((word for word in reading.words if word.units), None)
    if reading.wish or first is None or reading.words[0] is not first or not first.text.isascii():
        return reading.wish
    return first.units <= tool.name_units or (first.text in ACTING and first.units <= tool.weights.keys() - LIGHT)
