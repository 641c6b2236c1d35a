"""The main story: a lamp is out, and everybody does their part."""

from tests.town import GROUP, Town


async def test_from_the_code_to_the_verdict(yueshi: Town) -> None:
    resident = await yueshi.person(9001, "王某")
    member, chief = await yueshi.staff(1001, 1101)

    await resident.scans(await yueshi.token("YS-1-3"))
    await yueshi.settle()
    welcome = await yueshi.last(resident)
    assert "3号楼" in welcome.text
    assert "只用来办这件事" in welcome.text

    await yueshi.says(resident, "楼道灯坏了，晚上看不见")
    card = await yueshi.last(resident)
    assert card.labels == ["提交", "再补充", "取消", "有危险"]
    assert "照明" in card.text

    await yueshi.taps(resident, "提交")
    receipt = await yueshi.card(resident, "YS261123-0001")
    assert "李网格员" in receipt.text
    task = await yueshi.last(member)
    assert "楼道灯坏了" in task.text
    assert task.labels == ["接单", "到场", "办结", "更多"]
    notice = await yueshi.last(chief, GROUP)
    assert notice.labels == ["我来看看", "知道了", "不在本片"]
    assert "楼道灯坏了" not in notice.text

    await yueshi.taps(chief, "我来看看", chat=GROUP)
    assert "王组长已去看" in (await yueshi.last(member, GROUP)).text
    assert "王组长已接单" in (await yueshi.card(resident, "新进展")).text

    await yueshi.taps(member, "到场")
    assert "李网格员已到场" in (await yueshi.card(resident, "新进展")).text

    await yueshi.taps(member, "办结")
    await yueshi.says(member, "换好了")
    assert "不少于10个字" in (await yueshi.last(member)).text
    await yueshi.says(member, "灯泡已经换新，晚上试过亮了")
    verdict = await yueshi.last(resident)
    assert verdict.labels == ["已解决，满意", "解决了，不太满意", "没解决"]
    assert "灯泡已经换新" in verdict.text

    await yueshi.taps(resident, "已解决，满意")
    assert "已结案" in (await yueshi.last(resident)).text
    request = await yueshi.request()
    assert request.status == "closed"
    assert [line.event for line in await yueshi.history(request)] == [
        "submit", "accept", "assign", "claim", "acknowledge", "start", "finish", "satisfied",
    ]  # fmt: skip
