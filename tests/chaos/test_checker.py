"""The checker against a short run under harm, and against what would be wrong with it."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.chaos.checker import MARK, NUMBER, RULES, violations
from tests.chaos.database import Row, sqlite
from tests.chaos.evidence import Evidence
from tests.chaos.people import FIRST_RESIDENT, mark
from tests.chaos.record import Words
from tests.chaos.run import run

# A burst, deliveries out of order, a cut, then a kill, one while it starts again, and one just after that.
_SEED, _KILLS = 3384, 3
_NEVER = mark(26**5 - 1)
_MEMBER_OF_NOWHERE = 1006


def _row(found: Evidence, table: str, **wanted: object) -> Row:
    """The first row with these values."""
    return next(row for row in found.tables[table] if all(row[key] == value for key, value in wanted.items()))


def _told(found: Evidence, words: str) -> Words:
    return next(one for one in found.record.by_bot() if words in one.text and one.chat >= FIRST_RESIDENT)


def _say(found: Evidence, like: Words, **changed: object) -> None:
    found.record.words.append(replace(like, message=10_000 + len(found.record.words), **changed))  # type: ignore[arg-type]  # as named by the caller


# --- in ---------------------------------------------------------------------------------------


def _an_update_is_not_stored(found: Evidence) -> None:
    found.tables["message"].pop()


def _an_update_is_stored_twice(found: Evidence) -> None:
    found.tables["message"].append({**found.tables["message"][0], "id": 0})


def _an_update_is_invented(found: Evidence) -> None:
    found.tables["message"].append({**found.tables["message"][0], "external": "1.1"})


def _a_message_waits_for_ever(found: Evidence) -> None:
    found.tables["work"].append({"message": 1, "account": "", "attempts": 5})


def _a_message_is_given_up_in_silence(found: Evidence) -> None:
    found.tables["message"][-1]["state"] = "parked"


def _nobody_answers(found: Evidence) -> None:
    written = next(one for one in found.record.by_people() if one.sender >= FIRST_RESIDENT)
    _say(found, written, text=f"在吗 {_NEVER}")


def _reports_are_lost(found: Evidence) -> None:
    found.tables["note"].clear()


def _a_report_is_filed_twice(found: Evidence) -> None:
    note = next(row for row in found.tables["note"] if MARK.search(row["body"]))
    found.tables["note"].append({**note, "id": 1, "request": 1})


def _a_report_is_noted_twice(found: Evidence) -> None:
    note = next(row for row in found.tables["note"] if MARK.search(row["body"]))
    found.tables["note"].append({**note, "id": 1})


# --- requests ---------------------------------------------------------------------------------


def _a_number_is_given_twice(found: Evidence) -> None:
    first, second = found.tables["service_request"][:2]
    second["number"] = first["number"]


def _a_request_is_gone(found: Evidence) -> None:
    number = NUMBER.findall(_told(found, "已提交，编号").text)[0]
    found.tables["service_request"].remove(_row(found, "service_request", number=number))


def _a_status_is_changed(found: Evidence) -> None:
    found.tables["service_request"][0]["status"] = "rejected"


def _a_line_of_history_is_gone(found: Evidence) -> None:
    found.tables["status_update"].remove(_row(found, "status_update", event="accept"))


def _a_step_is_told_before_it_is_true(found: Evidence) -> None:
    receipt = _told(found, "已提交，编号")
    number = NUMBER.findall(receipt.text)[0]
    _say(found, receipt, text=f"{number} 有新进展：\n某人已到场处理。", at=receipt.at - timedelta(days=1))


def _a_step_is_told_to_somebody_else(found: Evidence) -> None:
    receipt = _told(found, "已提交，编号")
    residents = {one.sender for one in found.record.by_people() if one.sender >= FIRST_RESIDENT}
    other = min(residents - {receipt.chat})
    _say(found, receipt, chat=other)


# --- out --------------------------------------------------------------------------------------


def _a_card_goes_astray(found: Evidence) -> None:
    request = next(row for row in found.tables["service_request"] if "YS-6" not in (row["area"] or "YS-6"))
    card = next(one for one in found.record.by_bot() if one.offers and one.chat < FIRST_RESIDENT)
    request["assignee"], request["alerted"] = None, []
    found.tables["assignment"].clear()
    _say(found, card, text=f"{request['number']} 【公共照明】", chat=_MEMBER_OF_NOWHERE)


def _a_card_goes_to_another_group(found: Evidence) -> None:
    request = next(row for row in found.tables["service_request"] if "YS-6" not in (row["area"] or "YS-6"))
    card = next(one for one in found.record.by_bot() if one.offers and one.chat < FIRST_RESIDENT)
    _say(found, card, text=f"{request['number']} 公共照明", chat=-506)


def _a_message_is_never_said(found: Evidence) -> None:
    _row(found, "notification", state=2)["state"] = 1


def _a_message_fails(found: Evidence) -> None:
    _row(found, "notification", state=2)["state"] = 3


def _a_photo_is_not_fetched(found: Evidence) -> None:
    found.tables["attachment"].append({"id": 1, "state": "waiting"})


def _what_is_sent_was_not_seen(found: Evidence) -> None:
    _row(found, "notification", state=2, edits=None)["ref"] = "99999"


def _what_was_seen_is_not_stored(found: Evidence) -> None:
    for _ in range(len(found.kills) * 64 + found.unanswered + 1):
        _say(found, _told(found, "您好"))


def _an_answer_overtakes_another(found: Evidence) -> None:
    first, second = [
        row
        for row in found.tables["notification"]
        if row["state"] == 2 and row["edits"] is None and row["chat"] == _busiest(found)
    ][:2]
    first["urgency"], first["ref"], second["ref"] = second["urgency"], second["ref"], first["ref"]


def _busiest(found: Evidence) -> str:
    chats = [row["chat"] for row in found.tables["notification"] if row["chat"].startswith("resident:")]
    return str(max(chats, key=chats.count))


def _a_card_comes_again_and_again(found: Evidence) -> None:
    card = next(one for one in found.record.by_bot() if one.offers)
    for _ in range(len(found.kills) * 64 + found.unanswered + 1):
        _say(found, card)


def _a_deadline_is_forgotten(found: Evidence) -> None:
    found.tables["deadline"].append({"id": 1, "kind": "ack", "due_at": 0, "state": 0})


SABOTAGES: dict[str, tuple[Callable[[Evidence], None], ...]] = {
    "stored once": (_an_update_is_not_stored, _an_update_is_stored_twice, _an_update_is_invented),
    "handled": (_a_message_waits_for_ever, _a_message_is_given_up_in_silence),
    "answered": (_nobody_answers,),
    "not lost": (_reports_are_lost,),
    "filed once": (_a_report_is_filed_twice, _a_report_is_noted_twice),
    "numbers": (_a_number_is_given_twice, _a_request_is_gone),
    "replays": (_a_status_is_changed, _a_line_of_history_is_gone),
    "true": (_a_step_is_told_before_it_is_true, _a_step_is_told_to_somebody_else),
    "right person": (_a_card_goes_astray, _a_card_goes_to_another_group),
    "ended": (_a_message_is_never_said, _a_message_fails, _a_photo_is_not_fetched),
    "seen": (_what_is_sent_was_not_seen, _what_was_seen_is_not_stored),
    "in order": (_an_answer_overtakes_another,),
    "repeats": (_a_card_comes_again_and_again,),
    "on time": (_a_deadline_is_forgotten,),
}


async def test_nothing_is_lost_in_a_short_run_and_every_rule_can_be_broken(tmp_path: Path) -> None:
    async with sqlite(tmp_path) as database:
        outcome = await run(_SEED, _KILLS, database, tmp_path, residents=6)
    assert outcome.kills == _KILLS
    assert outcome.broken == []
    assert SABOTAGES.keys() == RULES.keys()
    for rule, sabotages in SABOTAGES.items():
        for sabotage in sabotages:
            found = deepcopy(outcome.evidence)
            sabotage(found)
            broken = {one.partition(":")[0] for one in violations(found)}
            assert rule in broken, f"{sabotage.__name__} broke {broken or 'nothing'}"
