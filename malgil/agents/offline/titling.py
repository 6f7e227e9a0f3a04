"""A title for a conversation, taken from its first question: nothing is made up, what is polite is left out."""

import re

TITLE_MOST = 40

_SENTENCE = re.compile(r"(?<=[.!?。！？…~])\s+|\n+")
_GREETING = re.compile(
    r"^(?:안녕하세요|안녕하십니까|안녕|반갑습니다|저기요|hello|hi|hey|good (?:morning|afternoon|evening))(?: there)?"
    r"(?=$|[\s,.!?~:;]+)[\s,.!?~:;]*", re.IGNORECASE,
)
_ASKING_EN = re.compile(
    r"^(?:please|kindly|(?:could|can|would|will) (?:you|i)(?: please)?|i(?:'d| would) like to(?: know)?"
    r"|i (?:want|need) to(?: know)?|i was wondering(?: if)?|let me know|tell me(?: about)?|show me"
    r"|help me(?: with| to)?|do you know)\b[\s,:]*", re.IGNORECASE,
)
_THANKS = re.compile(r"[\s,]*(?:please|thank you|thanks|감사합니다|고맙습니다)$", re.IGNORECASE)
_ASKING_KO = re.compile(
    r"\s*(?:(?:좀|한번)\s*)?(?:"
    r"(?:알려|말씀해|설명해|안내해|가르쳐|보여|확인해|도와|찾아|해)\s*"
    r"(?:주세요|주십시오|주실래요|주실 수 있(?:나요|을까요|으신가요)|줄래요?|줘요?)"
    r"|(?:알고|보고)\s*싶(?:어요|습니다|은데요)|부탁(?:드립니다|드려요|합니다|해요)|궁금(?:해요|합니다)|주세요)$"
)
_OBJECT = re.compile(r"(?<=[가-힣])[을를]$")
_ENDS = " \t\r\n.,!?;:~…。、，！？·-–—\"'“”‘’()[]{}<>「」『』*#_`|/\\"


def title_of(question: str) -> str:
    """A title of at most 40 characters, cut between words; empty when there is nothing to name it by."""
    flat = [" ".join(part.split()) for part in _SENTENCE.split(question[:2000])]
    said = [kept for part in flat if (kept := _kept(part))]
    if said:
        return _cut(said[0])
    return _cut(next((bare for part in flat if (bare := part.strip(_ENDS))), ""))


def _kept(sentence: str) -> str:
    """What the sentence is about; empty for a mere greeting."""
    text = _GREETING.sub("", sentence).strip(_ENDS)
    while (less := _ASKING_EN.sub("", _THANKS.sub("", text)).strip(_ENDS)) != text:
        text = less
    asked = _ASKING_KO.sub("", text).strip(_ENDS)
    if asked and asked != text:
        text = _OBJECT.sub("", asked)
    return text[:1].upper() + text[1:]


def _cut(text: str) -> str:
    if len(text) <= TITLE_MOST:
        return text
    begin = text[: TITLE_MOST - 1]
    # Within a word only where the text has no other place to cut.
    words = begin if text[TITLE_MOST - 1] == " " else begin.rpartition(" ")[0]
    return (words.rstrip(_ENDS) or begin) + "…"
