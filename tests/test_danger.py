"""What the shipped rules take for danger: a table that reads as the description of the gate."""

import pytest

from bot.rules import load_rules
from bot.settings import DEFAULTS
from routing.classify import Danger, Outcome, decide

RULES = load_rules(DEFAULTS / "rules/taxonomy.yaml")

# What happens × to whom × now: the hotline at once, and people are called.
ALARMS = [
    # fire and electricity
    "厨房着火了，火苗都窜到抽油烟机上了",
    "二楼窗户往外冒黑烟，里面好像还有老人",
    "车棚里电动车烧起来了，火势很大",
    "楼道全是浓烟，我和孩子出不去",
    "家里插座噼啪打火花，还冒烟了",
    "后山烧起来了，风大，火头往村子这边来",
    # gas and carbon monoxide
    "一进门就闻到很浓的煤气味，头有点晕",
    "煤气罐的阀门关不上，一直嘶嘶地漏气",
    "屋里烧着炭火盆，我妈说头晕想睡，叫她也没力气",
    "他洗澡洗到一半没声了，热水器是烧煤气的，敲门叫不应",
    # illness
    "老伴倒在卫生间，叫不醒",
    "我爸胸口疼得直冒冷汗",
    "孩子抽搐了，翻白眼，怎么办",
    "奶奶嘴歪了，话也说不清楚",
    "小孩把纽扣电池吞下去了",
    "邻居喝了农药，快来人",
    "媳妇羊水破了，肚子一阵阵疼",
    "工友从架子上摔下来，动不了了",
    "他被毒蛇咬了，脚肿得老高",
    # violence
    "楼下有人拿着菜刀追着人砍",
    "隔壁男的又在打老婆，女的一直喊救命",
    "有个陌生男人一路跟着我，我害怕，不敢回家",
    "门外有人在撬锁，我一个人在家",
    "我不能说话，他就在门外，求你们派人来",
    "他们收了我的手机和身份证，不让我走",
    # trapped, lost, drowning
    "电梯停在半空，我们三个人困在里面",
    "孩子掉进河里了，快救人",
    "我爸有老年痴呆，早上出门到现在还没回来",
    "孩子放学没回家，手表也关机了，都两个小时了",
    "宝宝被锁在车里了，车窗关着，外面三十多度",
    "师傅修灯的时候触电倒在地上了",
    "电线断了掉在水坑里，旁边还有小孩",
    "有个小孩坐在六楼窗台外面",
    # collapse and flood
    "山洪下来了，水已经进屋，老人还在里面",
    "房子的墙裂开一道大口子，越来越大，里面还有人",
    "脚手架塌了，压住两个工人",
    "水涨到胸口了，我们被困在屋顶",
    # farewell
    "我不想活了，遗书写好了",
    "她把自己关在房里，说对不起大家，手上拿着刀片",
    "楼顶有个女孩站在护栏外面，要跳楼",
    "等我走了以后，猫麻烦你们帮我照顾",
    # a fraud that is going on
    "我妈正在银行给所谓的公安转账，劝不住",
    "对方自称客服，让我共享屏幕，我已经把验证码报给他了",
    # wristband
    "爷爷的手环报警，提示跌倒，打电话没人接",
]

# What speaks against danger does not silence what happens beside it.
STILL_ALARMS = [
    "急死我了，孩子放学到现在没回家，手表也关机",
    "吓死我了，有人在撬我家的门",
    "大货车翻到沟里，司机压在下面",
    "老板晕倒了，叫不醒",
    "我家狗一直叫，出来一看我妈倒在院子里，叫不醒",
    "看错了，不是炒菜，楼上真的着火了，火苗都窜出来了",
    "上次漏气你们来修过，今天又闻到煤气味，我头晕",
    "说是演习，可是楼道里真的有浓烟，我们出不去了",
    "他说没事，可是胸口疼得直冒冷汗",
]

# A hint: the hotline is named, and one question asked. More is no mistake here, less would be.
HINTS = [
    "楼道里有股焦味，不知道从哪来的",
    "隔壁一直有女人的哭喊声",
    "家里有臭鸡蛋味",
    "这两天一回家就头晕犯困，灶台是烧煤的",
    "对门老人三天没见人影了，敲门没人应",
    "我撑不下去了",
    "吊灯在晃，墙上掉土",
    "锅还在灶上，门反锁了我进不去",
    "孩子发高烧说胡话",
    "屏幕自己在动，手机不听使唤",
]

# Nobody is in danger, however grave the words.
HARMLESS = [
    # the past, and what comes after it
    "去年我家着过火，想问补助怎么申请",
    "我的电话是13900000000",
    "上次电梯困人的事后来怎么处理的",
    "我前年被诈骗过，钱追回来了吗",
    "上个月摔断了腿，工伤认定要什么材料",
    # money, papers, rules, equipment
    "火灾保险怎么赔，赔多少钱",
    "灭火器在哪里买，怎么用",
    "防走失手环怎么申领",
    "燃气报警器几年换一次",
    "触电急救培训在哪报名",
    "消防通道标识掉了，请补上",
    # drills and shows
    "明天学校有火灾演习，我家孩子要参加吗",
    "社区什么时候办防诈骗讲座",
    "话剧社排练，刀是道具",
    # how people talk
    "笑死我了，这群里太有意思",
    "热死了，空调什么时候修好",
    "急死我了，快递还没到",
    "忙得要命，改天再去办证",
    "这家店搞跳楼价，是不是真的",
    "停车费贵死了",
    "气得我脑壳冒烟，到现在没人回复",
    "隔壁饺子馆生意火爆，排队堵路",
    "想死你们了，什么时候聚聚",
    # animals
    "猫卡在空调外机后面下不来",
    "小区里有只死狗，请清理",
    "我家狗走丢了，黄色的",
    "鹦鹉学人喊救命，吵得睡不着",
    # screens, books, dreams
    "昨晚梦见老伴掉井里，心里不舒服",
    "看电视说有人煤气中毒，我想装个报警器",
    "孩子打游戏天天喊杀",
    "新闻说外地发洪水，我们这里要不要准备沙袋",
    # denials and all-clear
    "没着火，是炒菜的烟",
    "孩子找到了，在同学家，虚惊一场",
    "手环误报了，我没摔，不用来",
    "不是漏气，是邻居家装修刷漆",
    "电梯没困人，就是按键失灵",
    # thanks
    "表扬消防员，上周救了我们全家，想送锦旗",
    "感谢民警把走失的奶奶送回家",
    # plain requests
    "路灯不亮了，晚上看不清路",
    "垃圾桶满了三天没人收",
    "楼上漏水，把我家天花板泡了",
    "下水道堵了，味道很大",
    "有人占了消防通道停车",
    "养老金资格认证怎么弄",
    "广场舞音响太大声",
    "电梯按钮坏了一个",
    "小区门口路面有坑，骑车要绕",
    "灶打不着火，换了电池也不行",
    "自来水发黄，能不能来看看",
]

# What may come is a matter to look into, at most with a question.
MAYBE_LATER = [
    "楼道堆满纸箱，万一着火跑都跑不了",
    "护栏松了，怕哪天孩子掉下去",
    "要是老人摔倒了该找谁",
    "电线老化，迟早要出事",
]

# The same words, in danger and not.
CONTRASTS = [
    ("去年也着过火，现在又烧起来了，快来", "去年着过火，墙还是黑的，能刷吗"),
    ("爷爷走丢了，到现在没回来", "爷爷走丢了，刚才已经找到了，谢谢大家"),
    ("水里有人，沉下去了快救人", "水里有垃圾，捞一捞"),
    ("闻到煤气味，越来越浓", "没有煤气味了，燃气公司来修好了"),
    ("有人在打我，救命", "有人打我电话推销，很烦"),
    ("电梯卡住了，里面有个孕妇", "电梯里有小广告"),
    ("我妈正要给骗子转账，拦不住", "反诈讲座上说不要给骗子转账"),
    ("他拿刀砍人了", "拼多多帮我砍一刀"),
]

NOTHING = [
    "路灯修好了，不用来了",
    "水来了，别派人了，谢谢",
    "发错群了，不好意思",
    "没着火，是炒菜的烟，不用来",
    "车已经挪走了，撤单吧",
]
STILL_REPORTS = [
    "路灯修好了又坏了",
    "谢谢，可是路灯还是不亮",
    "师傅来过了，水管还是漏",
    "说修好了就结单，电梯根本没修",
]


@pytest.mark.parametrize("text", ALARMS)
def test_an_emergency_alarms(text: str) -> None:
    assert decide(text, RULES).danger is Danger.ALARM


@pytest.mark.parametrize("text", STILL_ALARMS)
def test_what_calms_silences_no_emergency_beside_it(text: str) -> None:
    assert decide(text, RULES).danger is Danger.ALARM


@pytest.mark.parametrize("text", HINTS)
def test_a_hint_is_at_least_asked_about(text: str) -> None:
    assert decide(text, RULES).danger is not Danger.NONE


@pytest.mark.parametrize("text", HARMLESS)
def test_grave_words_alone_are_no_danger(text: str) -> None:
    assert decide(text, RULES).danger is Danger.NONE


@pytest.mark.parametrize("text", MAYBE_LATER)
def test_what_may_happen_one_day_does_not_alarm(text: str) -> None:
    assert decide(text, RULES).danger is not Danger.ALARM


@pytest.mark.parametrize(("grave", "calm"), CONTRASTS)
def test_the_same_words_in_danger_and_not(grave: str, calm: str) -> None:
    assert decide(grave, RULES).danger is Danger.ALARM
    assert decide(calm, RULES).danger is Danger.NONE


@pytest.mark.parametrize("text", NOTHING)
def test_what_is_settled_is_not_filed(text: str) -> None:
    assert decide(text, RULES).outcome is Outcome.NONE


@pytest.mark.parametrize("text", STILL_REPORTS)
def test_what_is_not_settled_is_still_a_report(text: str) -> None:
    assert decide(text, RULES).outcome is not Outcome.NONE
