"""The `huiyin` command. Exit codes: 0 done, 1 refused with one clear line for each reason, 2 wrong usage."""

import asyncio
import csv
import json
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.command import ConfigOption, out, refuse, refusing, settings_for
from bot.orders import Format, Order, Paper, Through
from bot.parts import Part
from bot.rules.commands import rules_app
from bot.settings import DEFAULTS, ConfigError
from storage.store import StoreError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks print variables, and with them secrets
    help="回音 Huiyin: 事事有回音",
)
roster_app = typer.Typer(no_args_is_help=True, help="The office's roster: areas, members, staff groups.")
app.add_typer(roster_app, name="roster")
app.add_typer(rules_app, name="rules")
privacy_app = typer.Typer(no_args_is_help=True, help="What protects the people in the database.")
app.add_typer(privacy_app, name="privacy")
wechat_app = typer.Typer(no_args_is_help=True, help="The service account at WeChat.")
app.add_typer(wechat_app, name="wechat")
wecom_app = typer.Typer(no_args_is_help=True, help="The company's app at WeCom.")
app.add_typer(wecom_app, name="wecom")


def main() -> None:
    app()


# --- running ----------------------------------------------------------------------------------


@app.command()
@refusing
def run(
    config: ConfigOption = None,
    role: Annotated[
        Part, typer.Option(help="what this process does; with a database on a server")
    ] = Part.ALL,
) -> None:
    """Run the bot, or one part of it beside others on the same database."""
    from bot.running import run_forever

    settings = settings_for(config)
    if not settings.channels.configured:
        raise ConfigError(
            "no channel is configured: set HUIYIN_CHANNELS__TELEGRAM__TOKEN (or those of WeChat or WeCom), "
            "or try `huiyin demo` without any"
        )
    run_forever(settings, role)


@app.command()
@refusing
def demo(
    port: Annotated[int, typer.Option(help="where the phones page is served")] = 8700,
    folder: Annotated[Path, typer.Option(help="where the demonstration keeps its data")] = Path("demo-data"),
) -> None:
    """Show the whole loop on three phones in the browser; needs no token and no service."""
    from bot.demo import run_demo

    run_demo(port, folder)


@app.command()
@refusing
def check(config: ConfigOption = None) -> None:
    """Check configuration, files, database and channels: one line each."""
    from bot.checking import check_all

    good = True
    for subject, fine, words in check_all(settings_for(config)):
        out.print(f"{'ok  ' if fine else 'FAIL'} {subject}: {words}")
        good = good and fine
    if not good:
        raise typer.Exit(1)


@app.command()
@refusing
def migrate(config: ConfigOption = None) -> None:
    """Bring the database to this program's schema; an older one is backed up first."""
    from storage import schema
    from storage.store import Database

    url = settings_for(config).database_url
    backup = schema.migrate(url, datetime.now(UTC))
    out.print(f"{Database.at(url)} is current" + (f"; the backup is {backup}" if backup else ""))


@app.command()
@refusing
def backup(file: Path, config: ConfigOption = None) -> None:
    """Copy the database to FILE while the bot may be running."""
    from storage import schema
    from storage.store import Database

    path = Database.at(settings_for(config).database_url).file
    if path is None:
        raise StoreError("this database lives on a server: back it up there, with pg_dump")
    if not path.exists():
        raise StoreError(f"there is no database at {path}")
    if file.exists():
        raise StoreError(f"{file} exists already; a backup never overwrites")
    schema.copy_to(path, file)
    out.print(f"{path} was copied to {file}")


@app.command()
@refusing
def init(folder: Path) -> None:
    """Copy the configuration, rules, texts, limits, roles and a sample roster into FOLDER, to edit there."""
    folder.mkdir(parents=True, exist_ok=True)
    names = (
        *("limits.yaml", "roles.yaml", "together.yaml", "digests.yaml", "notices.yaml"),
        *("wechat-menu.yaml", "roster.yaml"),
    )
    for name in ("rules", "texts", *names):
        if (folder / name).exists():
            raise ConfigError(f"{folder / name} exists already; nothing was copied")
    for name in ("rules", "texts"):
        shutil.copytree(DEFAULTS / name, folder / name)
    for name in names:
        shutil.copy(DEFAULTS / name, folder / name)
    lines = [
        f"rules_dir: {folder}/rules",
        f"texts_dir: {folder}/texts",
        f"limits_file: {folder}/limits.yaml",
        f"roles_file: {folder}/roles.yaml",
        f"together_file: {folder}/together.yaml",
        f"digests_file: {folder}/digests.yaml",
        f"notices_file: {folder}/notices.yaml",
        f"menu_file: {folder}/wechat-menu.yaml",
    ]
    out.print(f"{folder} is ready to edit. Put these lines into config.yaml:", *lines, sep="\n")


# --- the figures ------------------------------------------------------------------------------


class Span(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class TableFormat(StrEnum):
    TEXT = "text"
    CSV = "csv"
    MARKDOWN = "markdown"


@app.command()
@refusing
def report(
    span: Span,
    area: Annotated[
        str | None, typer.Option(help="the area's code in the roster; everything by default")
    ] = None,
    format_: Annotated[TableFormat, typer.Option("--format")] = TableFormat.TEXT,
    config: ConfigOption = None,
) -> None:
    """The open matters of today, or the figures of last week or last month, as the digests have them."""
    from bot.reports import RENDERERS, tables

    found = asyncio.run(tables(settings_for(config), span.value, area, datetime.now(UTC)))
    out.print(RENDERERS[format_.value](found))


# --- the roster -------------------------------------------------------------------------------


@roster_app.command("load")
@refusing
def roster_load(file: Path, config: ConfigOption = None) -> None:
    """Load the roster FILE: all of it, or nothing where a row is wrong."""
    from bot.app import ready_store
    from bot.keys import check, vault_of
    from bot.limits import load_limits
    from bot.roster import Loaded, digest_of, load_roster, read_roster

    settings = settings_for(config)
    roster = read_roster(file)
    if roster.sample and settings.live:
        raise ConfigError(f"{file}: this is the sample roster (sample: true); a live office needs its own")
    zone = load_limits(settings.limits_file).zone
    vault = vault_of(settings)
    who, now = os.environ.get("USER", "unknown"), datetime.now(UTC)

    async def load() -> Loaded:
        async with ready_store(settings) as store:
            await check(store, vault)
            return await store.write(load_roster, roster, digest_of(file), vault, zone, now, who)

    loaded = asyncio.run(load())
    if loaded.nothing:
        out.print(f"{file}: nothing changed")
    else:
        out.print(
            f"{file}: {loaded.areas} areas, {loaded.members} members, {loaded.appointments} appointments, "
            f"{loaded.accounts} accounts, {loaded.chats} chats changed; {loaded.ended} appointments ended"
        )


@roster_app.command("check")
@refusing
def roster_check(file: Path) -> None:
    """Check the roster FILE, and list every place that nobody is responsible for."""
    from bot.roster import coverage, read_roster

    roster = read_roster(file)
    gaps = coverage(roster)
    out.print(f"{file}: {len(roster.areas)} areas, {len(roster.members)} members, {len(roster.chats)} chats")
    if gaps:
        refuse(*gaps)
    out.print("every place has a grid member")


@roster_app.command("codes")
@refusing
def roster_codes(
    members: Annotated[
        list[str] | None, typer.Argument(help="their codes in the roster; by default all without an account")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Print one-time codes, valid for seven days: a member sends “绑定 CODE” to the bot in private."""
    from bot.app import ready_store
    from bot.joining import Printed, make_codes
    from bot.keys import check, vault_of

    settings = settings_for(config)
    vault = vault_of(settings)
    who, now = os.environ.get("USER", "unknown"), datetime.now(UTC)

    async def make() -> list[Printed]:
        async with ready_store(settings) as store:
            await check(store, vault)
            return await store.write(make_codes, members or (), vault, now, who)

    for one in asyncio.run(make()):
        out.print(f"{one.member}  {one.name}  绑定 {one.code}")


# --- privacy ----------------------------------------------------------------------------------


@privacy_app.command("reseal")
@refusing
def privacy_reseal(config: ConfigOption = None) -> None:
    """Bring the database from HUIYIN_PREVIOUS_SECRET_KEY to HUIYIN_SECRET_KEY, while nothing runs on it."""
    from bot.resealing import reseal_all

    void = asyncio.run(reseal_all(settings_for(config)))
    out.print(
        "everything is under HUIYIN_SECRET_KEY now; docs/operations.md says when the earlier one can go"
    )
    if void:
        out.print(f"{void} joining codes are void: print new ones with `huiyin roster codes`")


# --- the service account ----------------------------------------------------------------------


@wechat_app.command("menu")
@refusing
def wechat_menu(
    show: Annotated[bool, typer.Option("--show", help="only say what is there now")] = False,
    config: ConfigOption = None,
) -> None:
    """Put the menu of the menu file under the service account's talks, and say what is there now."""
    from bot.wechat_menu import lines, put_up, shown

    settings = settings_for(config, log_level="warning")
    menu = asyncio.run(shown(settings) if show else put_up(settings))
    out.print("\n".join(lines(menu)) or "there is no menu")


@wecom_app.command("group")
@refusing
def wecom_group(
    area: Annotated[str, typer.Option(help="the area's code in the roster: who has a post there is in it")],
    name: Annotated[str, typer.Option(help="what the group is called")],
    config: ConfigOption = None,
) -> None:
    """Open a group that the app can write to, and print the line for the roster's chats."""
    from bot.wecom_groups import open_group

    address = asyncio.run(open_group(settings_for(config, log_level="warning"), area, name))
    out.print(f'- {{channel: wecom, id: "{address}", area: {area}, purpose: staff}}')


# --- codes, classification, replay ------------------------------------------------------------


@app.command()
@refusing
def qr(
    area: Annotated[str | None, typer.Option(help="the place's code in the roster")] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="every place with none below it, a file for each")
    ] = False,
    channel: Annotated[
        Through | None, typer.Option(help="where the code leads; the first that is configured by default")
    ] = None,
    format_: Annotated[
        Format, typer.Option("--format", help="poster is an SVG; poster-png and pdf need a Chinese font here")
    ] = Format.LINK,
    paper: Annotated[Paper, typer.Option(help="of posters")] = Paper.A4,
    font: Annotated[Path | None, typer.Option(help="a Chinese font file for poster-png and pdf")] = None,
    expires: Annotated[
        int | None, typer.Option(min=1, help="days, for a code of WeChat that is not to last for ever")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="the file to write, standard output by default; with --all the folder, codes by default"
        ),
    ] = None,
    new: Annotated[
        bool, typer.Option(help="revoke the earlier code of this area and make a new one")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """The QR code of a place, as a link, a picture or a poster."""
    from bot.printing import choose, print_all, print_one, write

    if (area is None) is not all_:
        raise typer.BadParameter("give either --area CODE or --all")
    settings = settings_for(config, log_level="warning")
    lasts = timedelta(days=expires) if expires is not None else None
    order = Order(choose(settings, channel), format_, lasts, new, paper, font)
    if area is None:
        folder = output or Path("codes")
        printed = asyncio.run(print_all(settings, order, folder))
        out.print(f"{printed} codes are in {folder}")
        return
    body = asyncio.run(print_one(settings, order, area))
    if output is not None:
        write(output, body)
    else:
        sys.stdout.buffer.write(body)


@app.command()
@refusing
def classify(
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="a CSV instead of lines on standard input")
    ] = None,
    column: Annotated[str, typer.Option(help="the CSV's column with the texts")] = "text",
    rules: Annotated[Path | None, typer.Option(help="another rule file")] = None,
    config: ConfigOption = None,
) -> None:
    """Classify texts, one a line; prints one JSON object for each, in order."""
    from bot.rules import load_rules
    from routing.classify import decide, to_json

    compiled = load_rules(rules or settings_for(config).rules_file)
    texts = read_column(csv_file, column) if csv_file else _lines(sys.stdin.buffer.read())
    for text in texts:
        decided = to_json(decide(text, compiled), text)
        line = json.dumps(decided, ensure_ascii=False).encode("utf-8", "backslashreplace")
        sys.stdout.buffer.write(line + b"\n")


def _lines(raw: bytes) -> Iterator[str]:
    """One text per line feed, as in line-counting tools; other breaks belong to the text."""
    body = raw.decode("utf-8", "replace").removesuffix("\n")
    return iter(body.split("\n")) if raw else iter(())


def read_column(file: Path, column: str) -> list[str]:
    """One column of a CSV. Raises ConfigError where the file or the column is missing."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.DictReader(opened)
            if column not in (rows.fieldnames or []):
                raise ConfigError(
                    f"{file} has no column {column}; it has: {', '.join(rows.fieldnames or [])}"
                )
            return [row[column] or "" for row in rows]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None


@app.command()
@refusing
def replay(
    file: Path,
    column: Annotated[str, typer.Option(help="the column with the texts")] = "text",
    limit: Annotated[int | None, typer.Option(help="at most so many rows")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the summary for machines")] = False,
    config: ConfigOption = None,
) -> None:
    """Send each row of a CSV as a resident through the sandbox, and sum up what became of it."""
    from bot.replay import replay_texts, summary_lines

    texts = read_column(file, column)[:limit]
    settings = settings_for(config, log_level="warning")  # a line per message would drown the progress bar
    summary: dict[str, Any] = asyncio.run(replay_texts(texts, settings))
    if as_json:
        out.print(json.dumps(summary, ensure_ascii=False, indent=2))
    else:
        out.print("\n".join(summary_lines(summary)))
    if summary["undelivered"] or summary["errors"]:
        raise typer.Exit(1)


@app.command()
@refusing
def simulate(
    scenario: Annotated[str, typer.Argument(help="SC06, SC07, SC11, SC13, SC14 or SC16")],
    seed: Annotated[int, typer.Option(help="the same seed gives the same figures")] = 1,
    days: Annotated[int | None, typer.Option(min=1, help="how long, where the scenario lasts days")] = None,
    behaviour: Annotated[Path, typer.Option(help="how people behave")] = DEFAULTS / "behaviour.yaml",
    config: ConfigOption = None,
) -> None:
    """Play a scenario of office life through the bot; exit code 1 where a figure misses its target."""
    from bot.simulate import playing

    chosen = playing.SCENARIOS.get(scenario.upper())
    if chosen is None:
        raise ConfigError(f"there is no scenario {scenario}; there are: {', '.join(playing.SCENARIOS)}")
    if days is not None and chosen.days is None:
        raise ConfigError(f"{chosen.code} is over within hours: it takes no --days")
    settings = settings_for(config, log_level="error")
    figures = asyncio.run(playing.simulate(chosen, settings, behaviour, seed, days or chosen.days or 1))
    out.print(playing.table(chosen, figures))
    if not all(one.met for one in figures):
        raise typer.Exit(1)
