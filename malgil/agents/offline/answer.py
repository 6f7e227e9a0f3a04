"""The answer's text: what the steps found and from which tool, what is still to be said, or that it cannot."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from malgil.agents.offline.dialogue import Step
from malgil.agents.offline.profile import Parameter, Profile
from malgil.agents.offline.telling import Voice, tell

_MOST_ABILITIES = 8
_HELLO = re.compile(r"안녕|반가|반갑|처음 뵙|\b(?:hello|hi|hey|good (?:morning|afternoon|evening))\b", re.IGNORECASE)
_THANKS = re.compile(r"감사|고마|수고|\b(?:thanks|thank you|thx)\b", re.IGNORECASE)
_WHO = re.compile(
    r"누구|사람(?:이|인)|로봇|인공지능|챗봇|\bAI(?:야|예요|인가|입니까|\b)|gpt|llm"
    r"|\bwho are you|\bwhat are you|\bare you (?:a |an )?(?:real|human|person|bot|robot|ai)",
    re.IGNORECASE,
)
_HELP = re.compile(
    r"(?:무엇|뭐|뭘|어떤 (?:일|것)).{0,8}(?:할 수|도와)|도움말|기능|사용법|\bhelp\b|what can you|how do you work",
    re.IGNORECASE,
)
_LETTER = re.compile(r"\w")
_LOOK = 300


@dataclass(frozen=True, slots=True)
class Told:
    """A step to tell of, and what to ask after it, for which tool. Without a step there is only the asking."""

    tool: Profile
    step: Step | None
    ask: tuple[Parameter, ...] = ()
    asker: Profile | None = None


def compose(told: Sequence[Told], question: str, voice: Voice, *, denied: bool) -> str:
    """What was found, step by step, each with its source; then what it still needs."""
    parts = [voice("not_done")] if denied else []
    for before, one in zip((None, *told), told, strict=False):
        if before and before.step and before.step.outcome == "unknown":
            parts.append(voice("unknown_seen"))
        if one.step is not None:
            parts.append(_told(one.tool, one.step, question, voice))
        if one.ask and one.asker:
            what = ", ".join(_asked(parameter, voice) for parameter in one.ask)
            # A tool that only reads has been answered by the list already; what is missing would say more about one.
            template = "ask" if one.asker.acts or one.step is None else "ask_for_more"
            parts.append(voice(template, label=one.asker.label(voice.language), what=what))
    return "\n\n".join(parts)


def small_talk(question: str, tools: Sequence[Profile], voice: Voice) -> str:
    """A greeting, thanks, what it is, or that it cannot answer; with what it can do."""
    said = question[:_LOOK]
    if _WHO.search(said):
        head = voice("who")
    elif _THANKS.search(said):
        return voice("thanks")
    elif _HELLO.search(said):
        head = voice("hello")
    elif not _LETTER.search(said):
        head = voice("empty")
    else:
        head = voice("who" if _HELP.search(said) else "cannot")
    return f"{head}\n\n{abilities(tools, voice)}"


def abilities(tools: Sequence[Profile], voice: Voice) -> str:
    """What the tools can do, one a line."""
    if not tools:
        return voice("no_tools")
    lines = [voice("line", text=tool.ability(voice.language)) for tool in tools[:_MOST_ABILITIES]]
    more = len(tools) - _MOST_ABILITIES
    return "\n".join([voice("abilities"), *lines, *([voice("more", count=more)] if more > 0 else [])])


def _told(tool: Profile, step: Step, question: str, voice: Voice) -> str:
    names = {"label": tool.label(voice.language), "name": tool.name}
    if step.outcome == "unknown":
        return f"{voice('unknown', **names)}\n{voice('unknown_check')}"
    if step.outcome == "failed":
        return voice("failed", **names, message=step.problem)
    return f"{tell(step.result, question, voice)}\n{voice('source', **names)}"


def _asked(parameter: Parameter, voice: Voice) -> str:
    what = parameter.label(voice.language)
    if not parameter.choices:
        return what
    return voice("choices", what=what, choices=", ".join(map(str, parameter.choices)))
