"""English stems by Porter's rules. A module of its own: the package loads the stemmers of all its languages."""

from functools import lru_cache

from snowballstemmer.english_stemmer import EnglishStemmer


class EnglishStems:
    """The stem of a word in lower case. May be called from any thread: each call has its own stemmer's state."""

    def __init__(self) -> None:
        self._cached = lru_cache(maxsize=65_536)(_stem)

    def __call__(self, word: str) -> str:
        return self._cached(word)


def _stem(word: str) -> str:
    return str(EnglishStemmer().stemWord(word))
