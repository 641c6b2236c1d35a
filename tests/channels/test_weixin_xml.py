"""Bodies as hostile as they come, and the nested ones that are honest."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.facts import LARGEST_BODY
from bot.channels.weixin_xml import NESTED, parse, render
from handlers.messages import UnreadableError

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "lol">' for n in range(9))
ATTRIBUTES = " ".join(f"a{n}=''" for n in range(6000))
HOSTILE = {
    "billion laughs": f"<!DOCTYPE xml [{LAUGHS}]><xml><Content>&l8;</Content></xml>",
    "quadratic": f'<!DOCTYPE xml [<!ENTITY a "{"a" * 30000}">]><xml><Content>{"&a;" * 8000}</Content></xml>',
    "internal entity": '<!DOCTYPE xml [<!ENTITY a "b">]><xml><Content>&a;</Content></xml>',
    "external file": '<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><C>&a;</C></xml>',
    "parameter entity": '<!DOCTYPE xml [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x"> %a;]><xml/>',
    "document type elsewhere": '<!DOCTYPE xml SYSTEM "http://127.0.0.1:9/x.dtd"><xml><C>a</C></xml>',
    "bare document type": "<!DOCTYPE xml><xml><C>a</C></xml>",
    "unknown entity": "<xml><Content>&nbsp;</Content></xml>",
    "too large": f"<xml><Content>{'大' * LARGEST_BODY}</Content></xml>",
    "nested without end": "<a>" * (LARGEST_BODY // 3),
    "nested in a known part": f"<xml><ExtAttr>{'<a>' * 5000}{'</a>' * 5000}</ExtAttr></xml>",
    "deeper than any known part": f"<xml><ExtAttr>{'<a>' * 10}{'</a>' * 10}</ExtAttr></xml>",
    "many empty elements": "<xml>" + "<a/>" * (LARGEST_BODY // 4 - 5) + "</xml>",
    "many different elements": "<xml>" + "".join(f"<a{n}/>" for n in range(7000)) + "</xml>",
    "many parts": "<xml><ExtAttr>" + "<a/>" * 15000 + "</ExtAttr></xml>",
    "content twice": "<xml><Content>a</Content><Content>b</Content></xml>",
    "element in content": "<xml><Content>a<b>c</b></Content></xml>",
    "only an element in content": "<xml><Content><b>c</b></Content></xml>",
    "text beside parts": "<xml><ExtAttr>a<b>c</b></ExtAttr></xml>",
    "text behind parts": "<xml><ExtAttr><b>c</b>a</ExtAttr></xml>",
    "text in the root": "<xml>a</xml>",
    "another root": "<html><Content>a</Content></html>",
    "two roots": "<xml/><xml/>",
    "cut off": "<xml><Content>a</Con",
    "not XML": "hello",
    "JSON": ' {"ToUserName": "gh"}',
    "JSON list": "[1]",
    "empty": "",
    "blank": " \n",
    "NUL": "<xml><Content>a\0b</Content></xml>",
    "NUL by number": "<xml><Content>&#0;</Content></xml>",
}
BYTES = {
    "UTF-16": "<xml><Content>a</Content></xml>".encode("utf-16"),
    "UTF-16 as declared": '<?xml version="1.0" encoding="utf-16"?><xml/>'.encode("utf-16-le"),
    "half a character": b"<xml><Content>\xe8\xb7</Content></xml>",
    "a lone surrogate": b"<xml><Content>\xed\xa0\x80</Content></xml>",
    "GBK": "<xml><Content>路灯</Content></xml>".encode("gbk"),
    "many attributes": f"<xml {ATTRIBUTES}><C>a</C></xm>".encode(),
    "many comments": b"<xml><C>" + b"a<!---->" * 8000 + b"</C></xm>",
    "many references": b"<xml><C>" + b"&lt;" * 16000 + b"</C></xm>",
    **{name: text.encode() for name, text in HOSTILE.items()},
}


@pytest.mark.parametrize("name", BYTES)
def test_row_22_a_hostile_body_is_refused(name: str) -> None:
    with pytest.raises(UnreadableError):
        parse(BYTES[name])  # how long each takes is a row of `make bench`


def test_row_22_the_reason_tells_what_to_do_about_json() -> None:
    with pytest.raises(UnreadableError, match="choose XML"):
        parse(BYTES["JSON"])


@given(st.binary(max_size=200) | st.text(max_size=80).map(lambda text: f"<xml>{text}</xml>".encode()))
def test_row_22_whatever_arrives_is_texts_or_unreadable(body: bytes) -> None:
    try:
        found = parse(body)
    except UnreadableError:
        return
    assert all(isinstance(value, str) for value in found.values())


def test_honest_oddities_are_read() -> None:
    body = """\ufeff<?xml version="1.0" encoding="utf-8"?>
    <!-- a comment --><xml a="b">
      <Content><![CDATA[<!DOCTYPE a> 1 < 2 &amp; ]]]]><![CDATA[>]]></Content>
      <Empty></Empty><Empty2/><CreateTime>1763884800</CreateTime><Said>&lt;路灯&gt;</Said>
    </xml>"""
    assert parse(body.encode()) == {
        "Content": "<!DOCTYPE a> 1 < 2 &amp; ]]>",
        "Empty": "",
        "Empty2": "",
        "CreateTime": "1763884800",
        "Said": "<路灯>",
    }


def test_parts_are_named_by_path_and_number() -> None:
    body = """<xml><MsgType>event</MsgType>
    <SendLocationInfo><Location_X>30.9</Location_X><Label><![CDATA[月湖]]></Label></SendLocationInfo>
    <SubscribeMsgPopupEvent>
      <List><TemplateId>T1</TemplateId><SubscribeStatusString>accept</SubscribeStatusString></List>
      <List><TemplateId>T2</TemplateId><SubscribeStatusString>reject</SubscribeStatusString></List>
    </SubscribeMsgPopupEvent>
    <SelectedItems><SelectedItem><QuestionKey>q</QuestionKey>
      <OptionIds><OptionId>a</OptionId><OptionId>b</OptionId></OptionIds></SelectedItem></SelectedItems>
    <SendPicsInfo><Count>1</Count><PicList><item><PicMd5Sum>m</PicMd5Sum></item></PicList></SendPicsInfo>
    </xml>"""
    assert parse(body.encode()) == {
        "MsgType": "event",
        "SendLocationInfo.Location_X": "30.9",
        "SendLocationInfo.Label": "月湖",
        "SubscribeMsgPopupEvent.List.TemplateId": "T1",
        "SubscribeMsgPopupEvent.List.SubscribeStatusString": "accept",
        "SubscribeMsgPopupEvent.List[1].TemplateId": "T2",
        "SubscribeMsgPopupEvent.List[1].SubscribeStatusString": "reject",
        "SelectedItems.SelectedItem.QuestionKey": "q",
        "SelectedItems.SelectedItem.OptionIds.OptionId": "a",
        "SelectedItems.SelectedItem.OptionIds.OptionId[1]": "b",
        "SendPicsInfo.Count": "1",
        "SendPicsInfo.PicList.item.PicMd5Sum": "m",
    }
    assert {name.partition(".")[0] for name in parse(body.encode())} - NESTED == {"MsgType"}


@pytest.mark.parametrize(
    "text",
    ["a]]>b", "]]>]]>", "]]]>", "a & b < c", "🔦👩‍👩‍👧", "路" * 700, "", "第一行\n第二行", "&#60;", "]]"],
)
def test_row_06_a_text_comes_back_as_it_was(text: str) -> None:
    body = render({"Content": text, "CreateTime": 17})
    assert parse(body) == {"Content": text, "CreateTime": "17"}
    assert ElementTree.fromstring(body).findtext("Content") == text  # noqa: S314 (our own words)


@given(st.text(st.characters(exclude_characters="\r", codec=None)))
def test_row_06_any_text_makes_one_element(text: str) -> None:
    read = parse(render({"Content": text}))
    assert list(read) == ["Content"]
    assert len(read["Content"]) <= len(text)


def test_answers_nest_and_repeat() -> None:
    body = render({"Card": {"Title": "一", "Button": [{"Text": "好"}, {"Text": "不"}]}, "N": 1})
    assert [found.text for found in ElementTree.fromstring(body).iter("Text")] == ["好", "不"]  # noqa: S314
    assert body.startswith(b"<xml><Card><Title><![CDATA[")
