"""A changed secret: brings everything sealed or hashed under the earlier one to today's, in bounded steps.

Nothing else may write meanwhile. A step that was not committed is simply done again, and what is already
under today's secret is passed over, so the whole can be stopped and begun again at any point.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, exists, func, or_, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.ids import new_id
from storage.secrets import Vault
from storage.tables import (
    Account,
    Audit,
    Chat,
    Conversation,
    Counter,
    Deadline,
    JoinCode,
    Message,
    Note,
    Work,
)

MOST_AT_ONCE = 1000
_MARK = "resealing"  # a counter that is there while it goes on: which key it is about


@dataclass(frozen=True, slots=True)
class Keys:
    """`today` opens what `earlier` has sealed. `body` does the same to a stored message's body."""

    today: Vault
    earlier: Vault
    body: Callable[[str, bytes], bytes]

    def lookup(self, known: str, channel: str, address: bytes) -> str:
        """Today's hash where `known` was the earlier one; anything else stays as it is."""
        plain = self.today.open(address)
        return self.today.lookup(channel, plain) if known == self.earlier.lookup(channel, plain) else known


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of row: which of them there are, and what to do with some of them, given by their ids."""

    name: str
    key: InstrumentedAttribute[int]
    where: ColumnElement[bool]
    work: Callable[[Session, Keys, Sequence[int]], None]

    def count(self, session: Session) -> int:
        return session.scalar(select(func.count()).select_from(self.key.class_).where(self.where)) or 0

    def do(self, session: Session, keys: Keys, after: int) -> list[int]:
        """Do the next rows after that id; returns their ids, none when all is done."""
        query = select(self.key).where(self.where, self.key > after).order_by(self.key).limit(MOST_AT_ONCE)
        found = list(session.scalars(query))
        if found:
            self.work(session, keys, found)
        return found


# --- before and after -------------------------------------------------------------------------


def newest(session: Session) -> list[bytes]:
    """What was sealed last, of people and of groups: tells under which secret this database is."""
    found = (
        session.scalar(select(kind.address).order_by(kind.id.desc()).limit(1)) for kind in (Account, Chat)
    )
    return [one for one in found if one is not None]


def others(session: Session) -> int:
    """How many connections to a server's database are not this one; of a file others are kept away."""
    if session.get_bind().dialect.name != "postgresql":
        return 0
    theirs = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    return session.scalar(text(f"{theirs} AND application_name = 'huiyin'")) or 0


def begun_with(session: Session) -> int | None:
    """The number of the key that resealing was begun with and not finished."""
    mark = session.get(Counter, _MARK)
    return mark.value if mark else None


def number_of(vault: Vault) -> int:
    return int.from_bytes(vault.key_id, "big")


def strangers(session: Session) -> int:
    """How many messages wait from people who have no account yet: only their handler knows who they are."""
    query = select(func.count()).where(~exists().where(Account.lookup == Work.account))
    return session.scalar(query.select_from(Work)) or 0


def begin(session: Session, keys: Keys) -> None:
    session.merge(Counter(name=_MARK, value=number_of(keys.today)))


def end(session: Session, who: str, now: datetime) -> int:
    """Done; returns how many joining codes nobody can use any more: only their hash was ever kept."""
    unused = (JoinCode.used_at.is_(None), JoinCode.expires_at > now)
    void = session.scalar(select(func.count()).select_from(JoinCode).where(*unused)) or 0
    session.execute(delete(JoinCode).where(*unused))
    session.execute(delete(Counter).where(Counter.name == _MARK))
    session.add(
        Audit(id=new_id(), at=now, who=who, subject="secret key", digest="", difference={"void": void})
    )
    return void


# --- the steps --------------------------------------------------------------------------------


def _notes(session: Session, keys: Keys, ids: Sequence[int]) -> None:
    rows = session.execute(select(Note.id, Note.original, Note.rooms).where(Note.id.in_(ids))).all()
    _write(
        session,
        update(Note).where(Note.id == bindparam("of")),
        [
            {"of": row.id, "original": keys.today.reseal(row.original), "rooms": keys.today.reseal(row.rooms)}
            for row in rows
        ],
    )


def _messages(session: Session, keys: Keys, ids: Sequence[int]) -> None:
    """Whose they are, as long as their accounts still have the earlier hash."""
    query = (
        select(Message.id, Message.channel, Message.body, Message.account, Account.channel, Account.address)
        .outerjoin(Account, Account.lookup == Message.account)
        .where(Message.id.in_(ids))
    )
    _write(
        session,
        update(Message).where(Message.id == bindparam("of")),
        [
            {
                "of": id_,
                "account": keys.lookup(account, channel, address) if account and address else account,
                "body": keys.body(came_by, body),
            }
            for id_, came_by, body, account, channel, address in session.execute(query)
        ],
    )


def _accounts(session: Session, keys: Keys, ids: Sequence[int]) -> None:
    """With everything that is found by the same hash."""
    moved = _people(session, keys, Account, ids)
    for column in (Conversation.account, Deadline.account, Work.account):
        statement = (
            update(column.class_).where(column == bindparam("before")).values(account=bindparam("after"))
        )
        session.connection().execute(statement, moved)


def _chats(session: Session, keys: Keys, ids: Sequence[int]) -> None:
    _people(session, keys, Chat, ids)


def _people(
    session: Session, keys: Keys, kind: type[Account | Chat], ids: Sequence[int]
) -> list[dict[str, str]]:
    """Their addresses and hashes; which hash became which."""
    query = select(kind.id, kind.channel, kind.lookup, kind.address).where(kind.id.in_(ids))
    rows = session.execute(query).all()
    new = {row.id: keys.lookup(row.lookup, row.channel, row.address) for row in rows}
    _write(
        session,
        update(kind).where(kind.id == bindparam("of")),
        [{"of": row.id, "lookup": new[row.id], "address": keys.today.reseal(row.address)} for row in rows],
    )
    return [{"before": row.lookup, "after": new[row.id]} for row in rows]


def _write(session: Session, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
    columns = [name for name in rows[0] if name != "of"]
    session.connection().execute(statement.values({name: bindparam(name) for name in columns}), rows)


# Messages before accounts: they are known by the hash that their account still has.
STEPS = (
    Step("notes", Note.id, or_(Note.original.is_not(None), Note.rooms.is_not(None)), _notes),
    Step("messages", Message.id, Message.account.is_not(None), _messages),
    Step("accounts", Account.id, Account.id > 0, _accounts),
    Step("chats", Chat.id, Chat.id > 0, _chats),
)
