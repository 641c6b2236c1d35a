"""The control interface: act as people, watch their chats, move the clock, script trouble."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bot.sandbox.acts import Act, Actor, Outcome, chat_of, view
from bot.sandbox.faults import Fault
from bot.sandbox.limits import ApiError
from bot.sandbox.telegram import Telegram, pause
from bot.sandbox.updates import encode
from bot.sandbox.world import Chat, ChatKind, NotPossibleError, Standing, UnknownError, User, Wire, World

LONGEST_WAIT = 25.0
MERGE_SECONDS = 0.05
CLOCK_LOOK = 0.1  # the clock may also be moved by somebody inside the process, who tells nobody

T = TypeVar("T")


class NewGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first member is the creator; `bots` of None adds the first bot."""

    id: int
    title: str
    members: list[int]
    bots: list[str] | None = None
    admin: bool = False
    supergroup: bool = False


class RawUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    update: dict[str, Any]
    bot: str | None = None


class Redelivery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    count: int = 1
    bot: str | None = None


class Advance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    advance_seconds: float


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    on: bool


def answer(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, media_type="application/json")


async def body(request: Request, kind: type[T]) -> T:
    return msgspec.json.decode(await request.body(), type=kind)


def polite(
    endpoint: Callable[[Any, Request], Awaitable[Response]],
) -> Callable[[Any, Request], Awaitable[Response]]:
    """Whatever cannot be done is answered with one sentence."""

    async def wrapped(self: Any, request: Request) -> Response:
        try:
            return await endpoint(self, request)
        except UnknownError as error:
            return answer({"error": str(error)}, 404)
        except NotPossibleError as error:
            return answer({"error": str(error)}, 409)
        except (ApiError, ValueError, KeyError) as error:
            return answer({"error": str(error)}, 400)

    return wrapped


class Surface(Protocol):
    """A platform beside Telegram that the sandbox stands in for."""

    def routes(self) -> list[Route]: ...

    def undelivered(self) -> int: ...

    async def close(self) -> None: ...


class Control:
    def __init__(self, world: World, telegram: Telegram, surfaces: Sequence[Surface] = ()) -> None:
        self.world, self.telegram, self.stop = world, telegram, telegram.stop
        self.surfaces = surfaces
        self._clock_moved = asyncio.Event()

    def routes(self) -> list[Route]:
        return [
            Route("/control/users", self.add_user, methods=["POST"]),
            Route("/control/users", self.users),
            Route("/control/groups", self.add_group, methods=["POST"]),
            Route("/control/act", self.act, methods=["POST"]),
            Route("/control/chats", self.chats),
            Route("/control/chat", self.chat),
            Route("/control/files/{unique_id}", self.file),
            Route("/control/clock", self.move_clock, methods=["POST"]),
            Route("/control/clock", self.clock),
            Route("/control/events", self.events),
            Route("/control/log", self.log),
            Route("/control/faults", self.add_fault, methods=["POST"]),
            Route("/control/faults", self.clear_faults, methods=["DELETE"]),
            Route("/control/faults", self.faults),
            Route("/control/limits", self.limits, methods=["POST"]),
            Route("/control/update", self.update, methods=["POST"]),
            Route("/control/redeliver", self.redeliver, methods=["POST"]),
        ]

    # People, groups and what they do

    @polite
    async def add_user(self, request: Request) -> Response:
        return answer(self.world.add_user(await body(request, User)).wire())

    @polite
    async def users(self, request: Request) -> Response:
        return answer([user.wire() for user in self.world.users.values()])

    @polite
    async def add_group(self, request: Request) -> Response:
        new = await body(request, NewGroup)
        people = [self.world.user(member) for member in new.members]
        if not people or new.id >= 0 or new.id in self.world.groups:
            raise NotPossibleError("a group needs a member and a negative id of its own")
        kind = ChatKind.SUPERGROUP if new.supergroup else ChatKind.GROUP
        members = dict.fromkeys(new.members, Standing.MEMBER) | {people[0].id: Standing.CREATOR}
        group = self.world.groups[new.id] = Chat(new.id, kind, new.title, members)
        names = [self.world.bot().user.username] if new.bots is None else new.bots
        for name in names:
            standing = Standing.ADMINISTRATOR if new.admin else Standing.MEMBER
            self.world.set_standing(group, self.world.bot(name), people[0], standing)
        return answer(group.wire())

    @polite
    async def act(self, request: Request) -> Response:
        act = await body(request, Act)
        outcome = Actor(self.world, act).perform()
        if outcome.query is not None and act.wait > 0:
            await pause(outcome.query.answered, self.stop, min(act.wait, LONGEST_WAIT))
        return answer(_result(outcome))

    @polite
    async def chats(self, request: Request) -> Response:
        chats = self.world.chats_of(int(request.query_params["user"]))
        return answer(
            [{"id": chat.id, "kind": chat.kind.value, "title": chat.title} for chat in chats],
        )

    @polite
    async def chat(self, request: Request) -> Response:
        query = request.query_params
        user = self.world.user(int(query["user"]))
        chat_id = int(query["chat"]) if "chat" in query else None
        chat = chat_of(self.world, user, self.world.bot(query.get("bot")), chat_id)
        return answer(view(chat, user))

    @polite
    async def file(self, request: Request) -> Response:
        file = self.world.files.seen_as(request.path_params["unique_id"])
        if file is None:
            raise HTTPException(404)
        return Response(file.content, media_type=file.mime_type)

    # The clock

    @polite
    async def move_clock(self, request: Request) -> Response:
        self.world.clock.advance(timedelta(seconds=(await body(request, Advance)).advance_seconds))
        self._clock_moved.set()
        self._clock_moved = asyncio.Event()
        return answer(self._time())

    @polite
    async def clock(self, request: Request) -> Response:
        """With `after`, the answer waits until the clock has been moved away from that shift."""
        if "after" in request.query_params:
            known = float(request.query_params["after"])
            for _ in range(int(LONGEST_WAIT / CLOCK_LOOK)):
                if abs(self._shift() - known) > 1e-6 or self.stop.is_set():
                    break
                await pause(self._clock_moved, self.stop, CLOCK_LOOK)
        return answer(self._time())

    def _shift(self) -> float:
        return self.world.clock.shift.total_seconds()

    def _time(self) -> Wire:
        return {"now": self.world.clock.now().isoformat(), "shift_seconds": self._shift()}

    # Watching

    async def events(self, request: Request) -> Response:
        return StreamingResponse(
            self._changes(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def _changes(self) -> AsyncIterator[bytes]:
        with self.world.changes.listen() as listener:
            yield b": listening\n\n"
            while not self.stop.is_set():
                await pause(listener.woken, self.stop, LONGEST_WAIT)
                await pause(self.stop, self.stop, MERGE_SECONDS)
                changed = [{"chat": chat, "message": message} for chat, message in listener.take()]
                yield b"data: " + encode(changed) + b"\n\n" if changed else b": still here\n\n"

    @polite
    async def log(self, request: Request) -> Response:
        calls: dict[str, dict[str, int]] = {}
        for (method, status), count in self.telegram.calls.items():
            calls.setdefault(method, {})[str(status)] = count
        refused = dict(self.telegram.refused)
        undelivered = self.world.undelivered() + sum(surface.undelivered() for surface in self.surfaces)
        return answer({"calls": calls, "refused": refused, "undelivered": undelivered})

    # Trouble

    @polite
    async def add_fault(self, request: Request) -> Response:
        self.world.faults.add(await body(request, Fault))
        return answer({})

    @polite
    async def faults(self, request: Request) -> Response:
        return answer(self.world.faults.planned)

    @polite
    async def clear_faults(self, request: Request) -> Response:
        self.world.faults.clear()
        for bot in self.world.bots.values():
            self.world.release_held(bot)
        return answer({})

    @polite
    async def limits(self, request: Request) -> Response:
        on = (await body(request, Switch)).on
        for bot in self.world.bots.values():
            bot.pace.on = on
        return answer({})

    @polite
    async def update(self, request: Request) -> Response:
        raw = await body(request, RawUpdate)
        queue = self.world.bot(raw.bot).queue
        made = queue.make_raw(raw.update)
        queue.put(made)
        return answer({"update_id": made.id})

    @polite
    async def redeliver(self, request: Request) -> Response:
        """The last updates once more, under their old ids."""
        wanted = await body(request, Redelivery)
        return answer({"redelivered": self.world.bot(wanted.bot).queue.redeliver(wanted.count)})


def _result(outcome: Outcome) -> Wire:
    query = outcome.query
    return {
        "messages": [message.id for message in outcome.messages],
        "query": query.id if query else None,
        "answer": query.answer if query else None,
        "url": outcome.url,
        "chat": outcome.chat.id if outcome.chat else None,
    }
