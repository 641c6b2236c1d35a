"""Sealed messages against two other implementations: wechatpy's own, and the sandbox's."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import wechatpy.crypto
import wechatpy.work.crypto

from bot.channels.callback import ForgedError
from bot.channels.weixin_crypto import Crypto, check_fresh
from bot.channels.weixin_xml import parse
from bot.sandbox.sealing import Sealer, signature
from handlers.messages import UnreadableError

TOKEN, APP = "huiyintoken", "wx0123456789abcdef"
KEY, OLD = ("a" * 42 + "A", "b" * 42 + "A")
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
STAMP, NONCE = str(int(NOW.timestamp())), "nonce7"
PLAIN = "<xml><Content><![CDATA[路灯坏了🔦]]></Content></xml>".encode()


def crypto(*keys: str, receiver: str = APP) -> Crypto:
    return Crypto(TOKEN, keys or (KEY, OLD), receiver)


def call(sealed: str, stamp: str = STAMP, token: str = TOKEN) -> dict[str, str]:
    return {
        "timestamp": stamp,
        "nonce": NONCE,
        "msg_signature": signature(token, stamp, NONCE, sealed),
    }


@pytest.mark.parametrize(("key", "index"), [(KEY, 0), (OLD, 1)])
@pytest.mark.parametrize("receiver", [APP, "wwcorp", ""])
def test_row_02_opens_what_the_sandbox_seals_with_either_key(key: str, index: int, receiver: str) -> None:
    sealed = Sealer(TOKEN, key, receiver).seal(PLAIN)
    assert crypto(receiver=receiver).open(call(sealed), sealed, NOW) == (PLAIN, index)


@pytest.mark.parametrize(("key", "index"), [(KEY, 0), (OLD, 1)])
@pytest.mark.parametrize("receiver", [APP, "wwcorp", ""])
def test_row_02_the_sandbox_opens_what_we_seal(key: str, index: int, receiver: str) -> None:
    sealed, signed = crypto(receiver=receiver).seal(PLAIN, index, STAMP, NONCE)
    assert Sealer(TOKEN, key, receiver).open(sealed, signed, STAMP, NONCE) == PLAIN


@pytest.mark.parametrize("library", [wechatpy.crypto.WeChatCrypto, wechatpy.work.crypto.WeChatCrypto])
def test_row_02_agrees_with_the_library_in_both_directions(library: Any) -> None:
    theirs, ours = library(TOKEN, KEY, APP), crypto()
    sealed = parse(theirs.encrypt_message(PLAIN.decode(), NONCE, STAMP).encode())
    query = {"timestamp": STAMP, "nonce": NONCE, "msg_signature": sealed["MsgSignature"]}
    assert ours.open(query, sealed["Encrypt"], NOW) == (PLAIN, 0)
    encrypted, signed = ours.seal(PLAIN, 0, STAMP, NONCE)
    assert theirs.decrypt_message({"Encrypt": encrypted}, signed, STAMP, NONCE) == PLAIN.decode()


@pytest.mark.parametrize("name", ["msg_signature", "timestamp", "nonce"])
def test_row_02_anything_changed_or_missing_is_forged(name: str) -> None:
    sealed = Sealer(TOKEN, KEY, APP).seal(PLAIN)
    query = call(sealed)
    for value in ("", "0" * 40, query[name] + "0", "签名", "\ud800"):
        with pytest.raises(ForgedError):
            crypto().open({**query, name: value}, sealed, NOW)
    with pytest.raises(ForgedError):
        crypto().open({key: value for key, value in query.items() if key != name}, sealed, NOW)
    with pytest.raises(ForgedError):
        crypto().open(query, Sealer(TOKEN, KEY, APP).seal(PLAIN), NOW)


def test_row_02_another_receiver_or_key_is_not_for_us() -> None:
    for sealer in (Sealer(TOKEN, KEY, "wxother"), Sealer(TOKEN, "c" * 42 + "A", APP)):
        sealed = sealer.seal(PLAIN)
        with pytest.raises(UnreadableError):
            crypto().open(call(sealed), sealed, NOW)


WHOLE = base64.b64decode(Sealer(TOKEN, KEY, APP).seal(PLAIN))
GARBAGE = {
    "not base64": "!",
    "half a byte": "a",
    "half a block": base64.b64encode(WHOLE[:-8]).decode(),
    "a block less": base64.b64encode(WHOLE[:-16]).decode(),
    "only blocks": base64.b64encode(WHOLE[:16]).decode(),
    "zeros": base64.b64encode(bytes(64)).decode(),
    "long": base64.b64encode(b"7" * 48 * 1024).decode(),
    "not ASCII": "签",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_row_02_well_signed_garbage_is_unreadable_and_nothing_else(name: str) -> None:
    with pytest.raises(UnreadableError):
        crypto().open(call(GARBAGE[name]), GARBAGE[name], NOW)


def test_row_02_errors_hold_neither_token_nor_key() -> None:
    with pytest.raises(UnreadableError) as error:
        crypto().open(call("aaaa"), "aaaa", NOW)
    assert error.value.__cause__ is None
    assert not any(secret in str(error.value) for secret in (TOKEN, KEY, OLD, APP))


@pytest.mark.parametrize(
    ("age", "fresh"), [(-301, False), (-299, True), (0, True), (300, True), (301, False)]
)
def test_row_03_a_call_is_taken_for_five_minutes(age: int, fresh: bool) -> None:
    sealed = Sealer(TOKEN, KEY, APP).seal(PLAIN)
    query = call(sealed)
    if fresh:
        assert crypto().open(query, sealed, NOW + timedelta(seconds=age))
        return
    with pytest.raises(ForgedError):
        crypto().open(query, sealed, NOW + timedelta(seconds=age))


@pytest.mark.parametrize("stamp", ["", "now", "-1", "1.5", "９", "1" * 400, "0"])
def test_row_03_a_timestamp_is_a_number(stamp: str) -> None:
    with pytest.raises(ForgedError):
        check_fresh({"timestamp": stamp}, NOW)


def test_verification_by_plain_signature() -> None:
    query = {"timestamp": STAMP, "nonce": NONCE, "signature": signature(TOKEN, STAMP, NONCE)}
    crypto().check_plain(query)
    for name in query:
        with pytest.raises(ForgedError):
            crypto().check_plain({**query, name: query[name] + "1"})
        with pytest.raises(ForgedError):
            crypto().check_plain({**query, name: ""})


def test_verification_by_sealed_echo() -> None:
    echo = Sealer(TOKEN, KEY, APP).seal(b"5927782489442352469")
    assert crypto().verify_url({**call(echo), "echostr": echo}) == "5927782489442352469"
    with pytest.raises(ForgedError):
        crypto().verify_url({**call(echo), "echostr": echo[:-4]})
    with pytest.raises(ForgedError):
        crypto().verify_url(call(echo))


def test_an_empty_token_is_refused() -> None:
    with pytest.raises(ValueError, match="empty token"):
        Crypto("", [KEY], APP)
