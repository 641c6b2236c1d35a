"""The first words: a scanned code, a bare hello, a question for help, things that we cannot read."""

from handlers.messages import Choice, Kind
from handlers.turn import Turn
from storage import queries


async def scanned(turn: Turn) -> None:
    """`/start`, with the token of a QR code or without: welcome, the place, the consent line once."""
    token = turn.message.start or ""
    area = await turn.desk.unit.run(queries.place_of_token, token) if token else None
    if area is not None:
        turn.conversation.place = area
        turn.home().home_area = area
    consent = turn.office.texts.render("consent", {}) if turn.notice_due() else ""
    turn.desk.say(
        turn.reply_to,
        "welcome",
        choices=_offered(turn),
        member=_member_line(turn),
        place=_place_line(turn, token, area),
        consent=consent,
    )


def _offered(turn: Turn) -> list[Choice]:
    """Buttons for residents; whoever has a post gets their cards instead."""
    if turn.member is not None:
        return []
    return _first_choices(turn)


def _member_line(turn: Turn) -> str:
    """For staff: that the roster knows them, and where they serve."""
    if turn.member is None:
        return ""
    post = turn.office.organisation.posts(turn.member.code, turn.now)[0]
    args = {"role": turn.office.texts.label(post.role), "place": turn.office.place_name(post.area)}
    return turn.office.texts.render("welcome_member", args)


def _place_line(turn: Turn, token: str, area: str | None) -> str:
    if area is not None:
        return turn.office.texts.render("welcome_place", {"place": turn.office.place_name(area)})
    return turn.office.texts.render("welcome_token_unknown", {}) if token else ""


def _first_choices(turn: Turn) -> list[Choice]:
    """What a resident can begin with; in 长者版 a person comes first."""
    elder = turn.home().elder
    return turn.desk.choices(*(("person", "progress") if elder else ("progress", "person", "danger")))


async def help_(turn: Turn) -> None:
    turn.desk.say(turn.reply_to, "help", choices=_first_choices(turn))


async def tell_id(turn: Turn) -> None:
    """Their own account number, which the office needs for its roster."""
    turn.desk.say(turn.reply_to, "own_id")


async def set_elder(turn: Turn) -> None:
    """长者版 on or off: larger steps, two buttons."""
    resident = turn.home()
    resident.elder = not resident.elder
    turn.desk.say(turn.reply_to, "elder_on" if resident.elder else "elder_off")


async def unsupported(turn: Turn) -> None:
    """Something we cannot read gets a kind answer, never silence."""
    template = "contact_not_own" if turn.message.kind is Kind.CONTACT else "unsupported"
    turn.desk.say(turn.reply_to, template)


async def stale(turn: Turn) -> None:
    """A button whose offer we no longer know: say so, rather than nothing."""
    turn.desk.say(turn.reply_to, "stale_button")


async def stale_number(turn: Turn) -> None:
    """A number where nothing is offered: say so, rather than take it for a report."""
    turn.desk.say(turn.reply_to, "stale_number")
