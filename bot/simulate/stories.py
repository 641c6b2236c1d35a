"""What residents of a simulation write: the rules' own example sentences, in the ways people put them."""

from pathlib import Path
from random import Random

from bot.rules import load_taxonomy

_OPENINGS = ("", "", "", "你好，", "请问一下，", "麻烦问下，", "我想反映一下，")
_ENDINGS = ("", "", "", "，麻烦来看一下", "，好几天了", "，急", "，谢谢", "，大家都着急")


class Stories:
    def __init__(self, taxonomy: Path) -> None:
        leaves = [leaf for _, _, leaf in load_taxonomy(taxonomy).leaves()]
        self._examples = {leaf.service_code: leaf.examples for leaf in leaves if leaf.examples}

    def about(self, leaf: str, chance: Random) -> str:
        """One of the leaf's examples as somebody might say it."""
        example = chance.choice(self._examples[leaf])
        return chance.choice(_OPENINGS) + example + chance.choice(_ENDINGS)
