"""The life cycle as the office's rules write it down, against the table that the code walks."""

import pytest

from routing.transitions import OPEN, TRANSITIONS, Actor, Event, Status, next_status, path_to

EVERY_OPEN = (
    "submitted triage accepted assigned acknowledged in_progress pending_info in_mediation "
    "in_deliberation referred scheduled reopened"
)
EVERY = f"{EVERY_OPEN} done closed cancelled merged guided rejected"

# from | event | to (= stays) | who
MOVES = f"""
submitted                                  | accept      | accepted        | system
submitted                                  | triage      | triage          | system
assigned acknowledged in_progress          | triage      | triage          | resident
triage                                     | classify    | accepted        | dispatcher
assigned acknowledged in_progress          | reclassify  | accepted        | resident handler dispatcher
submitted triage                           | guide       | guided          | system dispatcher
submitted triage                           | refuse      | rejected        | leader
accepted reopened                          | assign      | assigned        | system dispatcher
assigned acknowledged in_progress          | hand_over   | assigned        | system handler dispatcher
pending_info in_mediation in_deliberation referred scheduled | hand_over | = | system dispatcher
assigned                                   | acknowledge | acknowledged    | handler chief
assigned acknowledged                      | return      | triage          | handler
acknowledged                               | start       | in_progress     | handler chief
in_progress                                | ask         | pending_info    | handler
pending_info                               | reply       | in_progress     | resident
pending_info                               | silent      | done            | system
in_progress                                | mediate     | in_mediation    | handler
in_progress                                | deliberate  | in_deliberation | leader
in_progress                                | refer       | referred        | leader
referred                                   | take_over   | in_progress     | receiver leader
referred                                   | decline     | triage          | receiver leader
referred                                   | come_back   | in_progress     | system
in_progress                                | plan        | scheduled       | leader
scheduled                                  | resume      | in_progress     | system handler leader
{EVERY_OPEN}                               | merge       | merged          | dispatcher system
in_progress in_mediation in_deliberation   | finish      | done            | handler chief
done closed                                | satisfied   | closed          | resident
done closed                                | partly      | closed          | resident
done                                       | not_solved  | reopened        | resident supervisor
done guided                                | expire      | closed          | system
closed guided                              | reopen      | reopened        | resident supervisor
{EVERY_OPEN}                               | withdraw    | cancelled       | resident
{EVERY_OPEN}                               | false_alarm | closed          | dispatcher handler
{EVERY}                                    | seal        | =               | system supervisor
{EVERY}                                    | unseal      | =               | supervisor
"""


def _allowed() -> dict[tuple[str, str, str], str]:
    found = {}
    for row in MOVES.strip().splitlines():
        before, event, after, who = (part.strip() for part in row.split("|"))
        for status in before.split():
            for actor in who.split():
                found[status, event, actor] = status if after == "=" else after
    return found


ALLOWED = _allowed()


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("status", Status)
def test_every_pair_of_status_and_event_for_every_capacity(status: Status, event: Event) -> None:
    for actor in Actor:
        assert next_status(status, event, actor) == ALLOWED.get((status, event, actor)), actor


def test_the_table_names_no_move_that_does_not_exist() -> None:
    for status, event, actor in ALLOWED:
        assert (Status(status), Event(event)) in TRANSITIONS
        assert Actor(actor)


def test_every_open_status_leads_on_and_what_has_ended_only_where_somebody_asks() -> None:
    sealing = {Event.SEAL, Event.UNSEAL}
    for status in Status:
        ways = {event for before, event in TRANSITIONS if before is status} - sealing
        if status in OPEN:
            assert len(ways) > 2, status
    for status in (Status.CANCELLED, Status.MERGED, Status.REJECTED):
        assert {event for before, event in TRANSITIONS if before is status} == sealing


@pytest.mark.parametrize(
    ("status", "event", "steps"),
    [
        (Status.ASSIGNED, Event.FINISH, ("acknowledge", "start", "finish")),
        (Status.ASSIGNED, Event.START, ("acknowledge", "start")),
        (Status.ACKNOWLEDGED, Event.FINISH, ("start", "finish")),
        (Status.IN_PROGRESS, Event.FINISH, ("finish",)),
        (Status.IN_PROGRESS, Event.START, ("start",)),
        (Status.DONE, Event.FINISH, ("finish",)),
        (Status.ASSIGNED, Event.RETURN, ("return",)),
    ],
)
def test_early_buttons_record_the_moves_between(status: Status, event: Event, steps: tuple[str, ...]) -> None:
    assert path_to(status, event) == steps
