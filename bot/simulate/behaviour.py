"""How the people of a simulation behave: chances and delays out of a file, drawn with a seed."""

import math
import re
from datetime import datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bot.files import load_document, validate

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(value: object) -> timedelta:
    found = re.fullmatch(r"(\d+)([smhd])", str(value))
    if found is None:
        raise ValueError("时长要写成 90s、30m、2h 或 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


Chance = Annotated[float, Field(ge=0, le=1)]
Hours = tuple[time, time]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Delay(_Model):
    """Log-normal: `spread` is the standard deviation of the logarithm."""

    median: Annotated[timedelta, BeforeValidator(_duration)]
    spread: Annotated[float, Field(ge=0)] = 0.8

    def draw(self, chance: Random) -> timedelta:
        return self.median * math.exp(chance.gauss(0, self.spread))


class Residents(_Model):
    awake: Hours
    reads: Delay
    verdict: Delay
    rates: Chance
    satisfied: Chance
    walks_away: Chance
    taps_wrong: Chance
    replies: Chance


class Members(_Model):
    awake: Hours
    reacts: Delay
    reacts_urgent: Delay
    overlooks: Chance
    absent: Chance
    returns: Chance
    asks: Chance
    too_short: Chance
    patrols: Chance
    work: dict[str, Delay]


class Chiefs(_Model):
    reacts: Delay
    claims: Chance
    notes: Chance


class Behaviour(_Model):
    residents: Residents
    members: Members
    chiefs: Chiefs


def load_behaviour(path: Path) -> Behaviour:
    """Raises FileError with every mistake found."""
    return validate(load_document(path), Behaviour)


def when_awake(moment: datetime, hours: Hours, zone: ZoneInfo) -> datetime:
    """The moment itself, or the next one at which somebody with these hours is awake."""
    local = moment.astimezone(zone)
    if hours[0] <= local.time() < hours[1]:
        return moment
    day = local.date() + timedelta(days=local.time() >= hours[1])
    return datetime.combine(day, hours[0], zone).astimezone(moment.tzinfo)
