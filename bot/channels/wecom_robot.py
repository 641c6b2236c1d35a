"""WeCom's group robots (消息推送): one-way notices into groups that somebody has added a robot to."""

from collections.abc import Mapping

from bot.channels import facts
from bot.channels.wecom_outcome import outcome
from bot.channels.weixin_api import Http
from bot.channels.weixin_text import fit
from handlers.messages import Refused, SendResult


class Robots:
    """Robots by their names in the configuration. A key lets anybody speak: it is only ever a parameter.

    Who is told to wait (`Retry.after`) must wait: a robot that is pressed on goes silent for long.
    """

    def __init__(self, http: Http, keys: Mapping[str, str]) -> None:
        self._http = http
        self._keys = keys

    async def say(self, name: str, text: str) -> SendResult:
        key = self._keys.get(name)
        if not key:
            return Refused("no group robot of this name")
        if len(text.encode()) <= facts.LONGEST_ROBOT_TEXT:
            message = {"msgtype": "text", "text": {"content": text}}
        else:  # merged notices: the other form takes twice as much
            message = {
                "msgtype": "markdown",
                "markdown": {"content": fit(text, facts.LONGEST_ROBOT_MARKDOWN)},
            }
        return outcome(await self._http.post("cgi-bin/webhook/send", message, key=key))
