"""The bot's sentences: looked up by name, filled with arguments, never written in code."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from routing.text import normalize


@dataclass(frozen=True)
class Texts:
    """One loaded text file.

    `templates` are sentences with {placeholders}; `labels` are short words for buttons, roles, statuses;
    `words` are what people type instead of tapping; `facts` fill placeholders everywhere.
    """

    version: str
    templates: Mapping[str, str]
    labels: Mapping[str, str]
    words: Mapping[str, tuple[str, ...]]
    facts: Mapping[str, str] = field(default_factory=dict)

    def render(self, template: str, args: Mapping[str, Any]) -> str:
        """The sentence of that name with its arguments."""
        return self.fill(self.templates[template], args)

    def fill(self, sentence: str, args: Mapping[str, Any]) -> str:
        """Any sentence with its arguments; empty lines that arguments left behind are dropped."""
        filled = sentence.format_map(_Args({**self.facts, **args}))
        return "\n".join(line for line in filled.splitlines() if line.strip())

    def label(self, name: str) -> str:
        return self.labels.get(name, name)

    def command(self, text: str) -> str | None:
        """Which command somebody typed, as a Chinese word or a slash form; None where it is ordinary talk."""
        return self._commands.get(_bare(text))

    def numbered(self, text: str) -> tuple[str, str] | None:
        """The command and the number in “收到 37号” or “37号我去”; None for any other talk."""
        if len(text) > _LONGEST:
            return None
        said = normalize(_MENTION.sub("", text)).rstrip(_END)
        found = self._numbered[0].fullmatch(said) or self._numbered[1].fullmatch(said)
        return (self._commands[found["word"]], found["number"]) if found else None

    def menu(self) -> dict[str, str]:
        """The slash commands, without the slash, each with its Chinese word."""
        return {word[1:]: words[0] for words in self.words.values() for word in words if word.startswith("/")}

    @cached_property
    def _commands(self) -> dict[str, str]:
        return {_bare(word): command for command, words in self.words.items() for word in words}

    @cached_property
    def _numbered(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        """The longest words come first, so that 知道了 is not read as 知道 and more."""
        longest_first = sorted(self._commands, key=len, reverse=True)
        word = f"(?P<word>{'|'.join(map(re.escape, longest_first))})"
        return re.compile(f"{word}[:,]?{_NUMBER}"), re.compile(f"{_NUMBER}[:,]?{word}")


class _Args(dict[str, Any]):
    """Arguments for a template: a missing one leaves an empty place rather than losing the message."""

    def __missing__(self, key: str) -> str:
        return ""


_MENTION = re.compile(r"@\S+\s*")  # how a robot is called in groups
_LONGEST = 80  # characters of a command with its number, and of a robot's name before it
_NUMBER = r"#?(?P<number>[a-z]{1,8}\d{6}-\d{4,}|\d{1,5})号?"
_END = "。.!!~,,"  # how people end a one-word answer


def _bare(text: str) -> str:
    """A command as compared: without case, spaces, end punctuation and the @bot of groups."""
    bare = normalize(text).split("@")[0] if text.startswith("/") else normalize(text)
    return bare.rstrip(_END)
