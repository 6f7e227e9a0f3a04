"""What to do next in a turn: call a tool, or answer. A pure function of the dialogue and the tools.

The question is understood anew at every step, always the same; the steps already taken only say how far it has got.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from malgil.agents.offline.answer import Told, compose, small_talk
from malgil.agents.offline.arguments import Filled, fill, things
from malgil.agents.offline.choosing import choose, wished
from malgil.agents.offline.dialogue import Dialogue, Step
from malgil.agents.offline.language import Language, language_of
from malgil.agents.offline.profile import Parameter, Profile
from malgil.agents.offline.reading import Reading, assents, clauses, only_names, read, resumed, shorten
from malgil.agents.offline.telling import VOICES, Voice, lists_nothing, quoted, received
from malgil.agents.offline.words import spelled

MOST_STEPS = 6
_MOST_WANTS, _MOST_THINGS = 4, 3
_MOST_PROMPTS_BACK = 12


@dataclass(frozen=True, slots=True)
class CallTool:
    """Call this tool next."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Want:
    """A tool to call for the question, or, when something is missing, what to list (if anything) and to ask for."""

    tool: Profile
    filled: Filled
    ask: tuple[Parameter, ...] = ()
    asker: Profile | None = None


def decide(dialogue: Dialogue, tools: Sequence[Profile], default: Language) -> CallTool | str:
    """The next call, or the whole answer of the turn's last step."""
    voice = VOICES[language_of(reversed(dialogue.prompts), default)]
    question = dialogue.prompts[-1] if dialogue.prompts else ""
    answer = _of_documents(dialogue, question, voice)
    if answer and dialogue.brought:
        return answer
    wants = _wants(dialogue, tools)
    if not wants and dialogue.brought:
        return received(dialogue.documents[0], voice)
    if not wants:
        return answer or small_talk(question, tools, voice)
    told: list[Told] = []
    for want in wants:
        next_call = _pursue(want, dialogue.steps, tools, told)
        if next_call is not None and len(dialogue.steps) < MOST_STEPS:
            return next_call
    denied = any(read(c).negated for c in clauses(shorten(question))) and any(t.acts for t in tools)
    return compose(told, question, voice, denied=denied and not any(t.tool.acts for t in told))


def _of_documents(dialogue: Dialogue, question: str, voice: Voice) -> str | None:
    """What the files of the conversation say to the question; None when nothing. One that came without a question is
    only acknowledged."""
    if dialogue.brought and question == dialogue.documents[0].title:
        return received(dialogue.documents[0], voice)
    return quoted(dialogue.documents, question, voice) if dialogue.documents else None


def _pursue(want: Want, steps: Sequence[Step], tools: Sequence[Profile], told: list[Told]) -> CallTool | None:
    """The call this want needs next; else None, after adding to `told` what is to be told of it."""
    if want.tool is want.asker:
        told.append(Told(want.tool, None, want.ask, want.asker))
        return None
    step = _taken(want.tool, want.filled.values, steps)
    if step is None:
        return CallTool(want.tool.name, want.filled.values)
    ask = () if step.outcome != "done" or lists_nothing(step.result) else want.ask
    follow = _follow(want, step, ask, tools)
    if follow is None:
        told.append(Told(want.tool, step, ask, want.asker))
        return None
    tool, values = follow
    second = _taken(tool, values, steps)
    if second is None:
        return CallTool(tool.name, values)
    told.extend([Told(want.tool, step), Told(tool, second)] if step.outcome == "unknown" else [Told(tool, second)])
    return None


def _follow(
    want: Want, step: Step, ask: tuple[Parameter, ...], tools: Sequence[Profile]
) -> tuple[Profile, dict[str, Any]] | None:
    """The second call that a result asks for.

    Nobody knows whether an action took effect: look, with a tool that reads the same thing. Or only one thing was
    listed and the tool that was meant only reads: it must be that one.
    """
    if step.outcome == "unknown" and want.tool.acts:
        return _reader(want, tools)
    if ask and want.asker is not None and not want.asker.acts and len(ask) == 1:
        found = _only_one(step.result, ask[0].name)
        if found is not None:
            return want.asker, {ask[0].name: found}
    return None


def _reader(want: Want, tools: Sequence[Profile]) -> tuple[Profile, dict[str, Any]] | None:
    for tool in tools:
        needed = {p.name for p in tool.parameters if p.required}
        if not tool.acts and needed and needed <= want.filled.values.keys():
            return tool, {name: want.filled.values[name] for name in sorted(needed)}
    return None


def _only_one(result: Any, name: str) -> Any:
    rows = next((v for v in result.values() if isinstance(v, list)), []) if isinstance(result, dict) else []
    return rows[0].get(name) if len(rows) == 1 and isinstance(rows[0], dict) else None


def _taken(tool: Profile, values: dict[str, Any], steps: Sequence[Step]) -> Step | None:
    return next((s for s in steps if s.tool == tool.name and s.arguments == values), None)


def _wants(dialogue: Dialogue, tools: Sequence[Profile]) -> list[Want]:
    prompts = [shorten(p) for p in dialogue.prompts[-_MOST_PROMPTS_BACK:]]
    if not prompts:
        return []
    whole = _understood(prompts)
    chosen = [(clause, tool) for clause in map(read, clauses(prompts[-1])) if (tool := choose(clause, tools))]
    if whole.text != prompts[-1]:
        chosen = []
    if any(tool.acts and wished(clause, tool) for clause, tool in chosen):
        # Beside a request, a clause that asks nothing only says why: `It is broken. Please refund it.`
        chosen = [(clause, tool) for clause, tool in chosen if tool.acts or clause.asks or clause.lists]
    if not chosen:
        tool = choose(whole, tools) or _by_name_only(whole, tools)
        chosen = [(whole, tool)] if tool else []
    wants: list[Want] = []
    for clause, tool in chosen[:_MOST_WANTS]:
        for want in _want(tool, clause, whole, dialogue, tools):
            if not any(w.tool is want.tool and w.filled.values == want.filled.values for w in wants):
                wants.append(want)
    return wants


def _understood(prompts: Sequence[str]) -> Reading:
    """The last prompt; one that only agrees, or only names a thing, together with the one it replies to."""
    last = read(prompts[-1])
    assent = assents(prompts[-1])
    if len(prompts) < 2 or not (assent or only_names(last)):
        return last
    return resumed(_understood(prompts[:-1]), last, assent=assent)


def _by_name_only(reading: Reading, tools: Sequence[Profile]) -> Profile | None:
    """For a number and nothing else: the tool that needs exactly that, and only reads."""
    if not only_names(reading):
        return None
    return next(
        (t for t in tools if not t.acts and [p.role for p in t.parameters if p.required] == ["id"]), None
    )


def _want(
    tool: Profile, clause: Reading, whole: Reading, dialogue: Dialogue, tools: Sequence[Profile]
) -> list[Want]:
    if tool.acts and not (wished(clause, tool) or wished(whole, tool)):
        return _instead(tool, clause, whole, dialogue, tools)
    named = things(tool, clause) or things(tool, whole) or _earlier(tool, whole, dialogue)
    found = [Want(tool, fill(tool, clause, whole, thing=thing)) for thing in (named or (None,))[:_MOST_THINGS]]
    return [_completed(want, tools) if want.filled.missing else want for want in found]


def _instead(
    tool: Profile, clause: Reading, whole: Reading, dialogue: Dialogue, tools: Sequence[Profile]
) -> list[Want]:
    """A tool that acts fits best, but nobody asked it to act: what the tools that only read say, if one fits."""
    readers = [t for t in tools if not t.acts]
    other = choose(clause, readers)
    return _want(other, clause, whole, dialogue, readers) if other else []


def _earlier(tool: Profile, reading: Reading, dialogue: Dialogue) -> tuple[int | str, ...]:
    """The thing last named in the conversation, when the question refers to one."""
    if not reading.refers or tool.names_thing is None:
        return ()
    for prompt in reversed(dialogue.prompts[-_MOST_PROMPTS_BACK:-1]):
        named = things(tool, read(shorten(prompt)))
        if named:
            return named[-1:]
    told = read(shorten(dialogue.answered))
    told = replace(told, numbers=tuple(n for n in told.numbers if n.kind == "id"))
    named = things(tool, told)
    return named if len(named) == 1 else ()


def _completed(want: Want, tools: Sequence[Profile]) -> Want:
    """Something is missing: list what it could be, when a tool can, and ask."""
    missing = want.filled.missing
    for tool in tools:
        if tool is want.tool or tool.acts or any(p.required for p in tool.parameters) or "#list" not in tool.weights:
            continue
        if missing[0].units & tool.name_units:
            purpose = read(spelled(want.tool.name))
            return Want(tool, fill(tool, purpose, purpose, thing=None), missing, want.tool)
    return Want(want.tool, want.filled, missing, want.tool)
