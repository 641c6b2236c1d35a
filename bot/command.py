"""What every command of `huiyin` shares: where it prints, how it refuses, which configuration it reads."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console

from bot.files import FileError
from bot.settings import ConfigError, Settings, load_settings
from storage.store import StoreError

P = ParamSpec("P")
T = TypeVar("T")

out = Console(soft_wrap=True, highlight=False, markup=False)
ConfigOption = Annotated[Path | None, typer.Option("--config", help="config.yaml by default")]


def refuse(*lines: str) -> NoReturn:
    """Say why on standard error and end with 1."""
    for line in lines:
        print(f"huiyin: {line}", file=sys.stderr)  # noqa: T201
    raise typer.Exit(1)


def refusing(command: Callable[P, T]) -> Callable[P, T]:
    """Turn the expected errors of a command into clear lines."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except (ConfigError, StoreError) as error:
            refuse(*str(error).splitlines())
        except FileError as error:
            refuse(*map(str, error.problems))

    return run


def settings_for(config: Path | None, log_level: str | None = None) -> Settings:
    from bot.logs import configure

    settings = load_settings(config)
    configure(log_level or settings.log.level, settings.log.json_lines)
    return settings
