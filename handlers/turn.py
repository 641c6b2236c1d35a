"""One message's turn: what it says, who sent it, and what is known about them."""

from dataclasses import dataclass
from datetime import datetime

from handlers.desk import Desk, to_account, to_chat, to_member, to_resident
from handlers.messages import InboundMessage
from handlers.office import Office
from routing.manners import UNHEARD, Heard
from routing.organisation import Member
from storage.ids import new_id
from storage.tables import (
    Account,
    Attachment,
    Chat,
    Conversation,
    MediaState,
    Notification,
    Resident,
    ServiceRequest,
)


@dataclass(frozen=True, slots=True)
class Tap:
    """A pressed button, resolved against the offer it belongs to."""

    offer: Notification
    choice: str

    @property
    def action(self) -> str:
        return self.choice.partition(":")[0]

    @property
    def value(self) -> str:
        return self.choice.partition(":")[2]


@dataclass
class Turn:
    """Everything a handler may look at, loaded before it runs; what it changes is written afterwards.

    `card` is the message of ours that this one answers. `group` is the staff group it was sent in, `room`
    any other group. `heard` is how a resident's own words were said, `refused` the refusal they got.
    """

    desk: Desk
    message: InboundMessage
    message_id: int
    account: Account
    conversation: Conversation
    command: str | None = None
    resident: Resident | None = None
    group: Chat | None = None
    room: Account | None = None
    tap: Tap | None = None
    card: Notification | None = None
    heard: Heard = UNHEARD
    refused: str | None = None

    @property
    def now(self) -> datetime:
        return self.desk.now

    @property
    def office(self) -> Office:
        return self.desk.office

    @property
    def member(self) -> Member | None:
        """The roster's member behind this account, while they hold any post."""
        code = self.account.member
        if code is None or not self.office.organisation.posts(code, self.now):
            return None
        return self.office.organisation.members[code]

    @property
    def near(self) -> str | None:
        """Where the resident is known to be: the code they scanned, else where they reported from before."""
        return self.conversation.place or self.home().home_area

    def home(self) -> Resident:
        """The resident behind this account; the first message makes them one."""
        if self.resident is None:
            self.resident = Resident(id=new_id(), created_at=self.now, elder=False)
            self.account.resident = self.resident.id
            self.desk.unit.add(self.resident)
            self.desk.meets(self.resident.id)
        return self.resident

    def notice_due(self) -> bool:
        """Whether the consent line is to be shown with this answer; it is shown once to everybody."""
        resident = self.home()
        if resident.consented_at is not None:
            return False
        resident.consented_at, resident.consented_to = self.now, self.office.texts.version
        return True

    def keep_media(
        self, *, most: int | None = None, request: int | None = None, author: str | None = None
    ) -> list[int]:
        """Note the photos and voices of this message, to be fetched from the platform; their ids."""
        new = [
            Attachment(
                id=new_id(),
                request=request,
                author=author,
                kind=media.kind,
                channel=self.message.channel,
                remote=media.remote,
                state=MediaState.WAITING,
                attempts=0,
                next_at=self.now,
                created_at=self.now,
            )
            for media in self.message.media[:most]
        ]
        self.desk.unit.add(*new)
        return [one.id for one in new]

    @property
    def reply_to(self) -> str:
        """Where a private answer to a resident goes."""
        return to_resident(self.home().id)

    @property
    def card_at_hand(self) -> bool:
        """Whether the message answers a card of ours: then replies in the group can be told apart."""
        return self.tap is not None or self.card is not None

    @property
    def where(self) -> str:
        """Where an answer belongs: the staff group the message came from, or this account's private chat."""
        return to_chat(self.group.id) if self.group is not None and self.seen else to_account(self.account.id)

    @property
    def seen(self) -> bool:
        """Whether those who are in the same chat have seen the message."""
        return not (self.message.private or self.message.apart)

    @property
    def staff_reply_to(self) -> str:
        return to_member(self.account.member or "")

    async def request_of(self, said: Notification | None) -> ServiceRequest | None:
        """The request that a card or an offer is about."""
        if said is None or said.request is None:
            return None
        return await self.desk.unit.get(ServiceRequest, said.request)
