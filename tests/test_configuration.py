"""Configuration and commands: what is right works, what is wrong is named in one clear line and exits 1."""

import json
import re
import socket
from pathlib import Path

import pytest

from bot.alone import alone
from bot.roster import read_roster
from bot.settings import ConfigError, load_settings
from tests.process import KEY, huiyin

ROOT = Path(__file__).parent.parent


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_the_shipped_file_holds_just_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(ROOT / "config.yaml") == load_settings(None)


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUIYIN_WEB__PORT", "9001")
    settings = load_settings(written(tmp_path, "web: {host: 127.0.0.2, port: 9000}"))
    assert (settings.web.host, settings.web.port) == ("127.0.0.2", 9001)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("web:\n  prot: 1", "config.yaml:2: "),
        ("web:\n  prot: 1", "prot"),
        ("web: {port: 99999}", "config.yaml:1: web.port"),
        ("channels:\n  telegram:\n    mode: pigeon", "config.yaml:3: channels.telegram.mode"),
        ("channels: {telegram: {token: abc}}", "HUIYIN_CHANNELS__TELEGRAM__TOKEN"),
        ("channels: {telegram: {api_base: nonsense}}", "api_base"),
        ("channels: {web: {url: huiyin.example}}", "channels.web.url"),
        ("channels: {web: {trusted_proxies: [proxy]}}", "10.0.0.0/24"),
        ("clock: sandbox", "loopback"),
        ("live: yes please", "live"),
        ("web: [", "config.yaml:2: "),
        ("web: {port: 1}\nweb: {port: 2}", "config.yaml:2: "),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings(written(tmp_path, text))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HUIYIN_WEB__PROT", "1", "HUIYIN_WEB__PROT"),
        ("HUIYIN_NONSENSE", "1", "HUIYIN_NONSENSE"),
        ("HUIYIN_WEB__PORT", "many", "HUIYIN_WEB__PORT"),
        ("HUIYIN_CHANNELS__TELEGRAM__TOKEN", "1:real", "live"),
        ("HUIYIN_CHANNELS__WECOM__ROBOT_KEYS", "1:real", "not JSON"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as refused:
        load_settings(None)
    assert says in str(refused.value)
    assert "1:real" not in str(refused.value)


def test_a_webhook_needs_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIYIN_CHANNELS__TELEGRAM__TOKEN", "1:x")
    monkeypatch.setenv("HUIYIN_CHANNELS__TELEGRAM__API_BASE", "http://127.0.0.1:1")
    monkeypatch.setenv("HUIYIN_CHANNELS__TELEGRAM__MODE", "webhook")
    with pytest.raises(ConfigError, match="WEBHOOK_SECRET"):
        load_settings(None)


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIYIN_SECRET_KEY", KEY)
    assert KEY not in repr(load_settings(None))


# --- commands ---------------------------------------------------------------------------------

RUN = {
    "HUIYIN_SECRET_KEY": KEY,
    "HUIYIN_CHANNELS__TELEGRAM__TOKEN": "1:x",
    "HUIYIN_CHANNELS__TELEGRAM__API_BASE": "http://127.0.0.1:9",
    "HUIYIN_DATABASE_URL": "sqlite:///huiyin.db",
}


async def test_run_refuses_what_cannot_work(tmp_path: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = str(taken.getsockname()[1])
    cases: list[tuple[dict[str, str], str]] = [
        ({}, "no channel is configured"),
        ({**RUN, "HUIYIN_SECRET_KEY": ""}, "HUIYIN_SECRET_KEY"),
        ({**RUN, "HUIYIN_DATABASE_URL": "sqlite:////no/such/folder/x.db"}, "folder"),
        ({**RUN, "HUIYIN_DATABASE_URL": "oracle://x"}, "database_url"),
        ({**RUN, "HUIYIN_MEDIA_URL": "s3://key:hidden@bucket"}, "Install s3fs"),
        ({**RUN, "HUIYIN_WEB__PORT": port}, f"127.0.0.1:{port}"),
    ]
    for env, says in cases:
        code, _, err = await huiyin("run", folder=tmp_path, env=env)
        assert code == 1, err
        assert says in err
        assert len(err.strip().splitlines()) == 1
    taken.close()


async def test_usage_errors_exit_with_2(tmp_path: Path) -> None:
    assert (await huiyin("roster", "load", folder=tmp_path))[0] == 2
    assert (await huiyin("no-such-command", folder=tmp_path))[0] == 2


async def test_an_office_from_nothing(tmp_path: Path) -> None:
    """init → roster check → roster load → twice → qr → check, as an office would start."""
    env = {
        "HUIYIN_SECRET_KEY": KEY,
        "HUIYIN_DATABASE_URL": "sqlite:///huiyin.db",
        "HUIYIN_CHANNELS__TELEGRAM__USERNAME": "huiyin_bot",
        "HUIYIN_CHANNELS__WEB__URL": "https://huiyin.example/",
    }

    async def run(*arguments: str) -> str:
        code, out, err = await huiyin(*arguments, folder=tmp_path, env=env)
        assert code == 0, err
        return out

    assert "office/rules" in await run("init", "office")
    assert "every place has a grid member" in await run("roster", "check", "office/roster.yaml")
    assert "25 areas" in await run("roster", "load", "office/roster.yaml")
    assert "nothing changed" in await run("roster", "load", "office/roster.yaml")
    assert re.search(r"^g1  李某  绑定 [2-9A-Z]{8}$", await run("roster", "codes", "g1"), re.MULTILINE)
    link = await run("qr", "--area", "YS-1-3")
    assert link.startswith("https://t.me/huiyin_bot?start=")
    assert await run("qr", "--area", "YS-1-3") == link
    page = await run("qr", "--area", "YS-1-3", "--channel", "web")
    assert page == link.replace("t.me/huiyin_bot?start=", "huiyin.example/q/")  # the same code
    assert await run("qr", "--area", "YS-1-3", "--new") != link
    await run("qr", "--area", "YS-1-3", "--format", "png", "--output", "code.png")
    assert (tmp_path / "code.png").read_bytes().startswith(b"\x89PNG")
    assert "ok   database" in await run("check")
    assert "is current" in await run("migrate")
    assert "was copied" in await run("backup", "copy.db")
    code, _, err = await huiyin("qr", "--area", "XX", folder=tmp_path, env=env)
    assert (code, "no area XX" in err) == (1, True)


WRONG_ROSTER = """areas:
  - {code: YS, kind: community, name: 岳师村}
  - {code: YS-1, kind: gird, name: 第一网格, parent: YS}
  - {code: YS-2, kind: grid, parent: YS}
members:
  - {code: m1, name: 李某, role: grid_member, area: YS, acounts: {telegram: "1"}}
"""

CROSSED_ROSTER = """areas:
  - {code: YS, kind: community, name: 岳师村}
  - {code: YS-1, kind: grid, name: 第一网格, parent: XX}
members:
  - {code: m1, name: 李某, role: grid_member, area: YS-9, accounts: {telegram: "1"}}
  - {code: m1, name: 王某, role: grid_member, area: YS, accounts: {telegram: "1"}}
chats:
  - {channel: pigeon, id: "-1", area: YS, purpose: staff}
"""


@pytest.mark.parametrize(
    ("text", "lines"),
    [(WRONG_ROSTER, {3, 4, 6}), (CROSSED_ROSTER, {3, 5, 6, 8})],
    ids=["rows", "across rows"],
)
async def test_a_wrong_roster_lists_every_line_and_loads_nothing(
    tmp_path: Path, text: str, lines: set[int]
) -> None:
    (tmp_path / "roster.yaml").write_text(text)
    env = {"HUIYIN_SECRET_KEY": KEY, "HUIYIN_DATABASE_URL": "sqlite:///huiyin.db"}
    code, _, err = await huiyin("roster", "load", "roster.yaml", folder=tmp_path, env=env)
    assert code == 1
    assert {int(line.split(":")[2]) for line in err.splitlines()} == lines, err
    assert not (tmp_path / "huiyin.db").exists()


def test_userids_of_wecom_are_the_same_in_letters_of_any_size(tmp_path: Path) -> None:
    (tmp_path / "roster.yaml").write_text("""areas:
  - {code: YS, kind: community, name: 岳师村}
members:
  - {code: m1, name: 李某, role: community, area: YS, accounts: {wecom: LiMing, wechat: oAbC}}
""")
    (member,) = read_roster(tmp_path / "roster.yaml").members
    assert member.accounts == {"wecom": "liming", "wechat": "oAbC"}


async def test_a_live_office_refuses_the_sample_roster(tmp_path: Path) -> None:
    env = {"HUIYIN_SECRET_KEY": KEY, "HUIYIN_DATABASE_URL": "sqlite:///huiyin.db", "HUIYIN_LIVE": "true"}
    sample = str(ROOT / "bot/defaults/roster.yaml")
    code, _, err = await huiyin("roster", "load", sample, folder=tmp_path, env=env)
    assert (code, "sample" in err) == (1, True)


async def test_classify_keeps_one_line_out_per_line_in(tmp_path: Path) -> None:
    texts = ["楼道灯坏了", "", "三号楼着火了", "\u0085呱呱\u2028呱", "谢谢"]
    code, out, _ = await huiyin("classify", folder=tmp_path, stdin="\n".join(texts).encode() + b"\n")
    decided = [json.loads(line) for line in out.split("\n")[:-1]]
    assert code == 0
    assert [one["text"] for one in decided] == texts
    assert decided[0]["category"] == "PF06"
    assert decided[0]["candidates"][0]["matched"]
    assert [one["emergency"] for one in decided] == [False, False, True, False, False]
    assert set(decided[0]) == {
        "text", "decision", "category", "candidates", "emergency", "ask_danger", "scope", "rules_version",
    }  # fmt: skip


async def test_classify_reads_a_csv_and_names_a_missing_column(tmp_path: Path) -> None:
    (tmp_path / "some.csv").write_text('id,words\n1,"楼道灯坏了，\n晚上看不见"\n')
    code, out, _ = await huiyin("classify", "--csv", "some.csv", "--column", "words", folder=tmp_path)
    assert (code, len(out.splitlines())) == (0, 1)
    code, _, err = await huiyin("classify", "--csv", "some.csv", folder=tmp_path)
    assert code == 1
    assert "words" in err


async def test_replay_sums_up(tmp_path: Path) -> None:
    rows = ["楼道灯坏了", "垃圾没人清运，臭得很", "呱呱呱", "三号楼着火了"]
    (tmp_path / "some.csv").write_text("text\n" + "\n".join(rows) + "\n")
    code, out, err = await huiyin("replay", "some.csv", "--json", folder=tmp_path)
    assert code == 0, err
    summary = json.loads(out)
    assert summary["requests"] == summary["rows"] == 4
    assert (summary["undelivered"], summary["errors"]) == (0, 0)
    assert summary["emergencies"] == 1
    assert summary["unclear"] == 1
    assert summary["per_class"]["照明"] == 1


async def test_a_second_process_on_the_same_database_is_refused(tmp_path: Path) -> None:
    with alone(tmp_path / "huiyin.db.lock"):
        code, _, err = await huiyin("run", folder=tmp_path, env=RUN)
    assert (code, "already running" in err) == (1, True)
