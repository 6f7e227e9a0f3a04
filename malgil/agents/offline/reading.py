"""What one clause of a question says: its meaning units, its numbers, and whether it plainly asks to do something."""

import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from malgil.agents.offline.numbers import Number, numbers
from malgil.agents.offline.words import Word, words

# Longer texts are read at both ends: what somebody wants stands at the beginning or at the end.
_HEAD, _TAIL = 2_000, 1_000
_FIRST_CLAUSES, _LAST_CLAUSES = 5, 3

_BREAK = re.compile(
    r"[.!?。？！…]+(?=\s|$)|[\n;]+|\s그리고\s|(?<=주고)\s|(?<=주시고)\s|(?<=줘)\s|(?<=세요)\s|,?\s\b(?:and|then)\b(?!\s*#?[0-9])",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“”「『‘][^\"“”「」『』‘’]{0,400}[\"”“」』’]|(?<![A-Za-z])'[^']{1,400}'(?![A-Za-z])")
_INFORM = re.compile(
    r"(?:알려|보여|가르쳐|말해|말씀해|설명해|안내해|확인해|찾아|추천해|도와)\s?(?:주\S*|줘\S*)"
    r"|\b(?:(?:can|could|would|will) you\s+(?:please\s+)?|please\s+)?"
    r"(?:tell|show|explain|inform|help|let) (?:me|us)(?: know)?\b"
    r"|\b(?:want|need|like) to (?:know|see|ask|check|understand)\b",
    re.IGNORECASE,
)
_DEMAND = re.compile(
    r"(?:해|하여|내|려|워|어|아)\s?(?:주세요|주십시오|줘(?![도서야])|줄래|주실래|주시겠|주실\s?수|주시기|주셔|달라)(?!라고|라는|고\s?했)"
    r"|(?:신청|요청|접수|취소|환불|반품|예약|등록)(?:합니다|할게|할래|하겠|하려|이요\s*$|요\s*$)|(?:신청|요청|접수)\s*$"
    r"|\bplease\s+[a-z]{3,}|\b(?:can|could|would|will) you\b|\bgo ahead\b",
    re.IGNORECASE,
)
_WISH = re.compile(
    r"싶|원해|원합|원하는|부탁|바랍|바라|받을래"
    r"|\bi(?:'d| would) like\b|\bi (?:want|need|wish)\b|\bgive me\b|\bplease\b",
    re.IGNORECASE,
)
_ASKING = re.compile(
    r"방법|기간|언제|어떻게|얼마|가능|되나요|될까|되는지|됩니까|할\s?수\s?있(?:나|을|는|어)|왜|궁금|규정"
    r"|\bhow\b|\b(?:can|could|may|should) i\b|\bpossible\b|\bwhat if\b|\bif i\b|\bwhen\b|\bwhy\b|\bam i\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"지\s?(?:마|말|않|못)|말아|말고|안\s?(?:할|하고|해도|하겠|합니다)|필요\s?없|아니라"
    r"|\bdon'?t\b|\bdo not\b|\bnever\b|\bno need\b"
    r"|\bnot (?:to )?(?:want|refund|cancel|return|send|need|order|buy|delete|create)\w*",
    re.IGNORECASE,
)
_REFERS = re.compile(
    r"(?:그|이|저|방금|아까|같은|해당)\s?(?:주문|거|것|걸|건|상품)|\b(?:it|that|this|same)\b", re.IGNORECASE
)
_LISTS = re.compile(r"보여|목록|내역|리스트|\b(?:show|list|see|which)\b", re.IGNORECASE)
_ASSENT = re.compile(
    r"\s*(?:네+|넵|예|응|어|그래요?|좋아요?|맞아요?|부탁\S*|해\s?주세요|해\s?줘요?|진행\S*"
    r"|yes|yep|yeah|ok|okay|sure|please|go ahead|do it)"
    r"(?:[\s,.!~]*(?:네|예|부탁\S*|해\s?주세요|해\s?줘요?|진행\S*|please|yes|go ahead|do it))*[\s.!~]*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reading:
    """A clause as read.

    `wish`: it plainly asks that something be done, neither quoted nor denied; `asks`: that, or to be told something;
    `refers`: to something said before; `lists`: it asks to see several.
    """

    text: str
    words: tuple[Word, ...]
    numbers: tuple[Number, ...]
    wish: bool
    negated: bool
    refers: bool
    lists: bool
    asks: bool

    @cached_property
    def units(self) -> tuple[str, ...]:
        """The different meaning units in order, at most forty."""
        return tuple(dict.fromkeys(unit for word in self.words for unit in sorted(word.units)))[:40]

    @property
    def quotations(self) -> list[str]:
        """What stands between quotation marks."""
        return [inner for match in _QUOTED.finditer(self.text) if (inner := match.group()[1:-1].strip())]

    @property
    def ids(self) -> tuple[int, ...]:
        """Numbers that name a thing: those said to, and bare ones like them; without any, all bare whole numbers."""
        whole = [(n.kind, n.value) for n in self.numbers if isinstance(n.value, int)]
        named = {len(str(value)) for kind, value in whole if kind == "id"}
        # In `orders 1042, 1043` the second is bare, but as long as the first.
        return tuple(
            value for kind, value in whole
            if kind == "id" or (kind == "plain" and (not named or len(str(value)) in named))
        )


@lru_cache(maxsize=128)
def read(text: str) -> Reading:
    """Read one clause, or a whole text as if it were one. Remembered: each step of a turn reads the same ones."""
    plain = _QUOTED.sub(" ", text)
    asked = _INFORM.sub(" ", plain)
    negated = bool(_NEGATED.search(plain))
    asking = bool(_ASKING.search(asked))
    wish = bool(_DEMAND.search(asked) or (not asking and _WISH.search(asked)))
    return Reading(
        text, tuple(words(text)), tuple(numbers(text)), wish and not negated, negated,
        refers=bool(_REFERS.search(text)), lists=bool(_LISTS.search(text)), asks=wish or asking or asked != plain,
    )


def shorten(text: str) -> str:
    """The text itself, or the two ends of a very long one."""
    return text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]}\n{text[-_TAIL:]}"


def clauses(text: str) -> list[str]:
    """The text in clauses; of very many the first and the last few."""
    found = [part.strip() for part in _BREAK.split(text) if part and part.strip()]
    if len(found) > _FIRST_CLAUSES + _LAST_CLAUSES:
        return found[:_FIRST_CLAUSES] + found[-_LAST_CLAUSES:]
    return found


def assents(text: str) -> bool:
    """Whether the text does nothing but agree to what was said before."""
    return len(text) < 60 and bool(_ASSENT.fullmatch(text))


def only_names(reading: Reading) -> bool:
    """Whether the text does nothing but name a thing by its number."""
    light = {"#order", "#number", "#refund"}
    return bool(reading.ids) and all(word.units <= light for word in reading.words) and "#refund" not in reading.units


def resumed(base: Reading, reply: Reading, *, assent: bool) -> Reading:
    """What the reply means, read together with the message before it.

    A number names what the earlier request left open. Where that named its own, a further number is no request.
    """
    open_before = not base.ids
    return replace(
        base,
        numbers=reply.numbers or base.numbers,
        wish=not base.negated and (assent or (base.wish and open_before)),
    )
