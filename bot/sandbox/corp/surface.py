"""Builds WeCom's surface of the sandbox out of its parts."""

from starlette.routing import Route

from bot.sandbox.corp.aibot import SmartRobot
from bot.sandbox.corp.api import Api
from bot.sandbox.corp.callbacks import AppCallbacks
from bot.sandbox.corp.control import CorpControl
from bot.sandbox.corp.delivery import Courier
from bot.sandbox.corp.spec import WecomSpec
from bot.sandbox.corp.state import Corp
from bot.sandbox.world import World


class WecomSurface:
    def __init__(self, world: World, spec: WecomSpec) -> None:
        self.corp = Corp(world, spec)
        self.courier = Courier(spec.answer_within, world.faults)
        self.app = AppCallbacks(self.corp, self.courier)
        self.robot = SmartRobot(self.corp, self.courier)

    def routes(self) -> list[Route]:
        control = CorpControl(self.corp, self.app, self.robot, self.courier)
        return [*Api(self.corp, self.robot).routes(), *control.routes()]

    def undelivered(self) -> int:
        return self.courier.undelivered()

    async def close(self) -> None:
        self.corp.stop.set()
        await self.courier.close()
