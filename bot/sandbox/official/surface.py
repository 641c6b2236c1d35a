"""Builds the service account's surface of the sandbox out of its parts."""

from starlette.routing import Route

from bot.sandbox.official.account import Account
from bot.sandbox.official.api import Api
from bot.sandbox.official.callbacks import Courier
from bot.sandbox.official.control import OfficialControl
from bot.sandbox.official.spec import OfficialSpec
from bot.sandbox.world import World


class OfficialSurface:
    def __init__(self, world: World, spec: OfficialSpec) -> None:
        self.account = Account(world, spec)
        self.api, self.courier = Api(self.account), Courier(self.account)

    def routes(self) -> list[Route]:
        return [*self.api.routes(), *OfficialControl(self.api, self.courier).routes()]

    def undelivered(self) -> int:
        return self.courier.undelivered()

    async def close(self) -> None:
        self.api.stop.set()
        await self.courier.close()
