"""How the bot takes insults, small talk, a flood, a proxy, a child, and what is not its business."""

from storage import queries
from storage.tables import ServiceRequest
from tests.town import Town

INSULT = "你们这些傻逼"


async def told(town: Town, request: ServiceRequest) -> str:
    """What is kept of the resident's words, as staff may read it."""
    notes = await town.app.store.read(queries.notes, request.id, "report", "addition")
    return "\n".join(note.body for note in notes)


# --- insults ----------------------------------------------------------------------------------


async def test_at62_an_insult_with_a_fault_is_filed_and_nobody_sees_the_insult(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.says(resident, "你们这些傻逼，楼道灯坏了三天")
    assert "骂人的话我不转" in (await yueshi.card(resident, "我知道您着急")).text
    await yueshi.taps(resident, "提交")
    request = await yueshi.request()
    assert request.category == "PF06"
    assert await told(yueshi, request) == "你们这些※※，楼道灯坏了三天"
    seen = "".join(one.text for one in await member.sees())
    assert "※※，楼道灯坏了三天" in seen
    assert "傻逼" not in seen


async def test_hard_case_abusive_what_is_corrected_or_added_is_masked_too(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    message = await yueshi.says(resident, "楼道灯坏了")
    await resident.edits(message, "楼道灯坏了，王 八 蛋")
    await yueshi.settle()
    await yueshi.taps(resident, "提交")
    await yueshi.says(resident, "三楼那盏，混蛋")
    await yueshi.taps(resident, "补充")
    seen = "".join(one.text for one in await member.sees())
    assert "楼道灯坏了，※※※※※" in seen
    assert "三楼那盏，※※" in seen


async def test_an_insult_alone_makes_no_request_and_joins_no_draft(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "你们都是废物")
    assert "事情照样办" in (await yueshi.last(resident)).text
    await yueshi.says(resident, "楼道灯坏了")
    await yueshi.says(resident, "一群混蛋")
    await yueshi.taps(resident, "提交")
    assert await told(yueshi, await yueshi.request()) == "楼道灯坏了"


async def test_an_insult_with_a_word_of_a_fault_is_asked_about(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "混蛋，没水")
    assert "我记下来了" in (await yueshi.last(resident)).text


async def test_at63_who_is_muted_is_still_heard_in_danger(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    for _ in range(3):
        await yueshi.says(resident, INSULT)
        await yueshi.pass_time(minutes=1)
    assert "以后再请您接着说" in (await yueshi.last(resident)).text
    await yueshi.says(resident, "楼道灯坏了")
    await yueshi.says(resident, "快修灯")
    waiting = [one for one in await resident.sees() if "以后再说" in one.text]
    assert len(waiting) == 1
    assert await yueshi.requests() == []
    await yueshi.says(resident, "楼上有人打架")
    assert "有人受伤或有危险吗" in (await yueshi.last(resident)).text
    await yueshi.says(resident, "着火了")
    assert (await yueshi.request()).urgent
    assert "119" in (await yueshi.last(resident)).text


async def test_a_mute_ends_after_half_an_hour_and_strikes_after_a_day(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    for _ in range(3):
        await yueshi.says(resident, INSULT)
    await yueshi.pass_time(minutes=31)
    await yueshi.says(resident, "楼道灯坏了")
    assert "照明" in (await yueshi.last(resident)).text
    await yueshi.pass_time(hours=25)
    await yueshi.says(resident, INSULT)
    assert "我知道您着急" in (await yueshi.last(resident)).text


async def test_the_third_insult_is_filed_with_its_fault(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    for _ in range(2):
        await yueshi.says(resident, INSULT)
    await yueshi.says(resident, "混蛋，楼道灯坏了")
    await yueshi.taps(resident, "提交")
    assert await told(yueshi, await yueshi.request()) == "※※，楼道灯坏了"


async def test_the_fifth_insult_in_a_day_is_told_without_its_words(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (desk,) = await yueshi.staff(2001)
    for number in range(6):
        await yueshi.says(resident, f"{INSULT}{number}")
        await yueshi.pass_time(minutes=40)
    notes = [one.text for one in await desk.sees() if "第5次" in one.text]
    assert len(notes) == 1
    assert "傻逼" not in notes[0]


# --- small talk and repetition ----------------------------------------------------------------


async def test_small_talk_is_greeted_and_leaves_nothing(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    for text in ("在吗？", "打打试试", "哈哈哈", "测试一下", "😀"):
        await yueshi.says(resident, text)
        assert "我在" in (await yueshi.last(resident)).text, text
    await yueshi.pass_time(hours=25)
    assert await yueshi.requests() == []
    assert not [one for one in await resident.sees() if "没有提交" in one.text]


async def test_thanks_after_a_receipt_ask_nothing(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.filed(resident)
    await yueshi.says(resident, "好的，谢谢")
    assert "不客气" in (await yueshi.last(resident)).text
    await yueshi.taps(resident, "查进度")


async def test_a_short_answer_to_the_handler_is_no_small_talk(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.taps(member, "到场")
    await yueshi.taps(member, "补充提问")
    await yueshi.says(member, "今晚八点上门可以吗？")
    await yueshi.says(resident, "好的")
    assert "好的" in (await yueshi.last(member)).text
    assert (await yueshi.request()).status == "in_progress"


async def test_the_same_words_again_and_again_are_one_request_and_one_answer(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    for _ in range(6):
        await yueshi.says(resident, "楼道灯坏了")
        await yueshi.pass_time(seconds=10)
    assert len([one for one in await resident.sees() if "我记下来了" in one.text]) == 1
    await yueshi.taps(resident, "提交")
    for _ in range(3):
        await yueshi.says(resident, "楼道灯坏了")
    assert "已提交" in (await yueshi.last(resident)).text
    assert await told(yueshi, await yueshi.request()) == "楼道灯坏了"
    await yueshi.pass_time(minutes=10)
    await yueshi.says(resident, "楼道灯坏了")
    assert "新问题" in (await yueshi.last(resident)).labels


async def test_danger_is_answered_however_often_it_is_said(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    for _ in range(6):
        await yueshi.says(resident, "着火了")
    assert len([one for one in await resident.sees() if "已加到急事" in one.text]) == 5


# --- for somebody else ------------------------------------------------------------------------


async def test_at65_a_proxy_is_asked_where_she_is_and_hears_of_it(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    here, there = await yueshi.staff(1001, 1002)
    await yueshi.says(resident, "替我妈报一下，楼道灯坏了")
    assert "人在哪儿" in (await yueshi.last(resident)).text
    await yueshi.says(resident, "五号楼")
    await yueshi.taps(resident, "提交")
    request = await yueshi.request()
    assert (request.area, request.assignee) == ("YS-2-5", "g2")
    assert "替家人反映" in (await yueshi.card(there, "楼道灯")).text
    assert not [one for one in await here.sees() if "楼道灯" in one.text]
    await yueshi.taps(there, "到场")
    assert "已到场" in (await yueshi.last(resident)).text


async def test_a_proxy_who_says_where_is_asked_nothing(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "帮五号楼的王奶奶报一下，楼道灯坏了")
    assert "对的话请点【提交】" in (await yueshi.last(resident)).text
    assert "5号楼" in (await yueshi.last(resident)).text


# --- a child, matters elsewhere ---------------------------------------------------------------


async def test_hard_case_child_writes(yueshi: Town) -> None:
    child = await yueshi.at_home()
    (desk,) = await yueshi.staff(2001)
    await yueshi.says(child, "我今年10岁，家里停电了我叫小明")
    answer = await yueshi.last(child)
    assert "找爸爸妈妈" in answer.text
    assert answer.labels == []
    request = await yueshi.request()
    assert (request.status, request.area) == ("triage", "YS-1-3")
    assert "小明" not in await told(yueshi, request)
    assert "像是孩子发来的" in (await yueshi.card(desk, "待分诊")).text
    await yueshi.says(child, "妈妈回来了")
    assert "新问题" not in (await yueshi.last(child)).labels


async def test_a_child_in_danger_hears_the_hotline_first_and_the_desk_reads_it(yueshi: Town) -> None:
    child = await yueshi.at_home()
    (desk,) = await yueshi.staff(2001)
    await yueshi.says(child, "我上三年级，门外有人一直砸")
    answer = (await yueshi.last(child)).text
    assert answer.index("110") < answer.index("找爸爸妈妈")
    assert "门外有人一直砸" in (await yueshi.card(desk, "待分诊")).text
    await yueshi.says(child, "我上三年级，家里起火了，火好大")
    assert [one.urgent for one in await yueshi.requests()] == [False, True]


async def test_hard_case_media_politics_rumour(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    for text in ("我是记者", "网传要出大事了", "你怎么看国际形势"):
        await yueshi.says(resident, text)
        assert "只办身边的事" in (await yueshi.last(resident)).text
    await yueshi.pass_time(hours=1)
    assert await yueshi.requests() == []
    await yueshi.says(resident, "网传3号楼要停水，现在真没水了")
    assert "我记下来了" in (await yueshi.last(resident)).text
