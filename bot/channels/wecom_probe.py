"""What WeCom tells of the company's app, by calls that change nothing and reach nobody."""

from dataclasses import dataclass

from bot.channels.weixin_api import Answer, Http, Reply
from bot.clock import Clock
from bot.settings import Wecom

_ROOT = 1  # the department above all others


@dataclass(frozen=True, slots=True)
class Agent:
    """The app: who sees it, and what stands in the way of its messages."""

    name: str
    closed: bool
    people: int
    departments: frozenset[int]
    tags: int
    home: str

    @property
    def seen(self) -> bool:
        return bool(self.people or self.departments or self.tags)

    @property
    def seen_by_all(self) -> bool:
        return _ROOT in self.departments


async def probe(settings: Wecom, clock: Clock) -> Agent | Answer:
    """The platform's answer itself where it refuses."""
    http = Http(settings.api_base, clock)
    try:
        secret = settings.secret.get_secret_value()
        token = await http.get("cgi-bin/gettoken", corpid=settings.corp_id, corpsecret=secret)
        if not isinstance(token, Reply) or not token.ok:
            return token
        value, agent = str(token.body.get("access_token", "")), str(settings.agent_id)
        found = await http.get("cgi-bin/agent/get", access_token=value, agentid=agent)
        return _agent(found) if isinstance(found, Reply) and found.ok else found
    finally:
        await http.close()


def _agent(found: Reply) -> Agent:
    body = found.body
    return Agent(
        name=str(body.get("name", "")),
        closed=body.get("close") == 1,
        people=len(_listed(found, "allow_userinfos", "user")),
        departments=frozenset(
            one for one in _listed(found, "allow_partys", "partyid") if isinstance(one, int)
        ),
        tags=len(_listed(found, "allow_tags", "tagid")),
        home=str(body.get("home_url") or ""),
    )


def _listed(found: Reply, outer: str, inner: str) -> list[object]:
    within = found.body.get(outer)
    listed = within.get(inner) if isinstance(within, dict) else None
    return listed if isinstance(listed, list) else []
