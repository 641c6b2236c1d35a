"""Named groups of words: `<水管>爆了` in a rule file stands for every way to say it."""

import itertools
import re
from collections.abc import Iterable, Sequence

from bot.files import Document, Location, Problem
from bot.rules.format import Lexical

_REFERENCE = re.compile(r"<([^<>]+)>")
MOST_WAYS = 3000  # a single line that means more is a mistake


class Groups:
    """The groups of all files of an office. What cannot be expanded is noted in `problems`."""

    def __init__(self, sources: Iterable[tuple[Document, Lexical]]) -> None:
        self.problems: list[Problem] = []
        self._written: dict[str, tuple[str, ...]] = {}
        self._expanded: dict[str, tuple[str, ...]] = {}
        self._open: list[str] = []
        for document, lexical in sources:
            for name, words in lexical.words.items():
                if name in self._written:
                    self._complain(document, ("words", name), f"词组 <{name}> 写了两次")
                self._written[name] = words

    def expand(self, document: Document, loc: Location, word: str) -> Sequence[str]:
        """Every way to say `word`; none where it names an unknown group."""
        if "<" not in word:
            return (word,)
        pieces = _REFERENCE.split(word)
        ways = [
            self._group(document, loc, piece) if index % 2 else (piece,) for index, piece in enumerate(pieces)
        ]
        count = 1
        for some in ways:
            count *= len(some)
        if count > MOST_WAYS:
            self._complain(document, loc, f"“{word}”展开有 {count} 种说法，最多 {MOST_WAYS}，请拆开写")
            return ()
        return list(dict.fromkeys(map("".join, itertools.product(*ways))))

    def _group(self, document: Document, loc: Location, name: str) -> tuple[str, ...]:
        if name in self._expanded:
            return self._expanded[name]
        if name not in self._written:
            self._complain(document, loc, f"没有 <{name}> 这个词组，请在 words 里写上")
            return ()
        if name in self._open:
            self._complain(document, loc, f"词组 <{name}> 绕回了自己：{' → '.join([*self._open, name])}")
            return ()
        self._open.append(name)
        words = itertools.chain.from_iterable(self.expand(document, loc, one) for one in self._written[name])
        self._expanded[name] = tuple(dict.fromkeys(words))
        self._open.pop()
        return self._expanded[name]

    def _complain(self, document: Document, loc: Location, message: str) -> None:
        self.problems.append(document.problem(loc, message))
