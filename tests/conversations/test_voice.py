"""Who speaks instead of writing, and who needs it simple: a person listens, two buttons are enough."""

from tests.town import Town


async def test_at64_hard_case_elder_voice_a_person_listens_within_five_minutes(yueshi: Town) -> None:
    resident = await yueshi.person(9001)
    (desk,) = await yueshi.staff(2001)
    await resident.sends_voice(40)
    await yueshi.settle()
    answer = (await yueshi.last(resident)).text
    assert "听到了，马上有人听，最晚11月23日09:05" in answer
    assert "只用来办这件事" in answer
    assert (await yueshi.request()).status == "triage"
    assert "请听录音" in (await yueshi.card(desk, "待分诊")).text
    sound = [one for one in await desk.sees() if one.kind == "voice"]
    assert [one.text for one in sound] == ["YS261123-0001 的录音，请听一下"]
    await yueshi.says(resident, "就是三楼那个事")
    assert "已补充到" in (await yueshi.last(resident)).text
    assert "三楼那个事" in (await yueshi.last(desk)).text
    await yueshi.pass_time(minutes=5)
    assert "请马上听" in (await yueshi.last(desk)).text
    assert len(await yueshi.requests()) == 1


async def test_a_voice_in_the_night_is_told_honestly_and_waits_for_the_morning(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (desk,) = await yueshi.staff(2001)
    await yueshi.pass_time(hours=14)
    await resident.sends_voice()
    await yueshi.settle()
    assert "现在不在服务时间，最晚11月24日08:05有人听" in (await yueshi.last(resident)).text
    for minutes, called in ((8 * 60, 0), (66, 1)):
        await yueshi.pass_time(minutes=minutes)
        assert len([one for one in await desk.sees() if "请马上听" in one.text]) == called


async def test_a_voice_that_was_taken_up_reminds_nobody(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (desk,) = await yueshi.staff(2001)
    await resident.sends_voice()
    await yueshi.settle()
    await yueshi.taps(desk, "社区自己办")
    await yueshi.taps(desk, "接单")
    await yueshi.pass_time(minutes=6)
    assert not [one for one in await desk.sees() if "请马上听" in one.text]


async def test_a_voice_files_what_was_written_before_it(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.says(resident, "楼道灯坏了")
    await resident.sends_voice()
    await yueshi.settle()
    request = await yueshi.request()
    assert (request.status, request.category) == ("assigned", "PF06")
    assert [one.kind for one in await member.sees() if one.kind == "voice"] == ["voice"]
    await yueshi.pass_time(minutes=13)
    assert not [one for one in await resident.sees() if "没有提交" in one.text]


async def test_elders_have_two_buttons_and_a_person_first(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.says(resident, "长者版")
    await yueshi.says(resident, "/start")
    await yueshi.says(resident, "邻居在楼道里占道又很吵")
    await yueshi.taps(resident, "叫网格员")
    await yueshi.says(resident, "进度")
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "已经上门看过，东西搬走了")
    offered = [one.labels for one in await resident.sees() if one.labels][
        1:
    ]  # before that: the code's welcome
    assert {len(labels) for labels in offered} == {2}
    assert {labels[0] for labels in offered[:-1]} == {"叫网格员"}
    assert offered[-1] == ["已解决，满意", "没解决"]
