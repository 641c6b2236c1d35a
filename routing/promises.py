"""Finds sentences that promise somebody in danger that help is coming: only a person may say so."""

import re

_HELPERS = r"(?:人员?|网格员|值班员|社区|村医|医生|民警|警察|消防员?|救护车?|救援|邻长|组长|片长|我们|我)"
_COMING = re.compile(
    rf"{_HELPERS}[^，。；、]{{0,6}}(?:已|正|马上|立刻|很快|就)[^，。；、]{{0,3}}(?:到达?|来|赶|出发|出动|上门)"
    r"|已经?(?:派|安排|调派|出发|出动|赶)"
    r"|(?:在|正)[^，。；、]{0,2}路上"
    r"|(?:派|安排|叫)了?(?:人|车)[^，。；、]{0,4}(?:来|去|到)"
    r"|[0-9一二三五十几]+分钟[^，。；、]{0,3}(?:到|来)"
)


def promised_arrival(text: str) -> str | None:
    """The words that assert that help is on its way; None where nothing does."""
    found = _COMING.search(text)
    return found[0] if found else None
