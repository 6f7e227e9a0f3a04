"""One figure: what was measured, the limit it is held against, and whether the bar is met."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """`limit` was measured in the same run; `ratio` is measured ÷ limit. `met` is None where there is no bar."""

    what: str
    unit: str
    measured: float
    bar: str = ""
    limit: float | None = None
    ratio: float | None = None
    met: bool | None = None

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def at_most(what: str, unit: str, pairs: Sequence[tuple[float, float]], bar: float | None) -> Figure:
    """Costs: `pairs` are (measured, limit) of neighbouring slices, and the median of their ratios counts."""
    measured, limit, ratio = _middle(pairs)
    return Figure(what, unit, measured, f"≤ {bar:g} ×" if bar else "", limit, ratio, ratio <= bar if bar else None)


def at_least(what: str, unit: str, pairs: Sequence[tuple[float, float]], bar: float | None) -> Figure:
    """Rates: as `at_most`, the other way round."""
    measured, limit, ratio = _middle(pairs)
    return Figure(what, unit, measured, f"≥ {bar:g} ×" if bar else "", limit, ratio, ratio >= bar if bar else None)


def below(what: str, unit: str, measured: float, bar: float, limit: float | None = None) -> Figure:
    """A bar that is a number, not a ratio; a `limit` is shown beside it."""
    ratio = measured / limit if limit else None
    return Figure(what, unit, measured, f"< {bar:g} {unit}", limit, ratio, measured < bar)


def note(what: str, unit: str, measured: float, limit: float | None = None) -> Figure:
    """No bar: told for what it explains."""
    return Figure(what, unit, measured, "", limit, measured / limit if limit else None)


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which `part` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def _middle(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    median = statistics.median
    return median(m for m, _ in pairs), median(n for _, n in pairs), median(m / n for m, n in pairs)
