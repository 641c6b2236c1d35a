"""What a text is about and whether it is dangerous, by the rules that ship with the project."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import bot
from bot.rules import load_rules, load_taxonomy
from routing.classify import Danger, Decision, Outcome, decide, to_json
from routing.rules import Combo, Leaf, Lexicon, Rules, RulesDocument, Scope, Sense, Thresholds, compile_rules
from routing.text import normalize

TAXONOMY = Path(bot.__file__).parent / "defaults/rules/taxonomy.yaml"
RULES = load_rules(TAXONOMY)
EXAMPLES = [
    (text, leaf.service_code) for _, _, leaf in load_taxonomy(TAXONOMY).leaves() for text in leaf.examples
]
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=60)


def codes(decision: Decision) -> list[str]:
    return [candidate.category for candidate in decision.candidates]


def test_at07_every_example_is_among_three_candidates() -> None:
    assert len(EXAMPLES) == 214
    assert [(text, code) for text, code in EXAMPLES if code not in codes(decide(text, RULES))] == []


def test_exactly_the_emergency_examples_alarm() -> None:
    urgent = {text for text, code in EXAMPLES if RULES.leaves[code].scope is Scope.URGENT}
    assert len(urgent) == 18
    assert {text for text, _ in EXAMPLES if decide(text, RULES).danger is Danger.ALARM} == urgent


@pytest.mark.parametrize(
    ("text", "outcome", "category", "danger"),
    [
        ("三号楼五层厨房着火了", "file", "EM01", "alarm"),
        ("着火了", "file", "EM01", "alarm"),
        ("着 火\n了", "file", "EM01", "alarm"),
        ("火锅店着火了", "file", "EM01", "alarm"),
        ("\ud800着火", "file", "EM01", "alarm"),
        ("路灯坏了,楼道声控灯也不亮,还有人打架", "file", "EM04", "alarm"),
        ("电梯里有人被困电梯,快来", "file", "EM05", "alarm"),
        ("老人手环报警心率过高", "file", "CA02", "alarm"),
        ("救命", "none", None, "alarm"),
        ("谢谢您,真是救命恩人", "file", "PA05", "none"),
        ("火锅店油烟太大", "ask", "EN04", "none"),  # AT12
        ("没着火", "none", None, "ask"),
        ("灶台打不着火", "file", "PF03", "none"),
        ("有人被困", "file", "EM05", "alarm"),
        ("车被困了", "ask", "EM05", "ask"),  # a weak word
        ("我好像被骗", "ask", "SF06", "ask"),
        ("他流了好多血", "none", None, "ask"),
        ("社区组织献血", "ask", "PA06", "none"),
        ("单元门口下水道往外冒污水", "file", "PF05", "none"),
        ("我家停电了", "ask", "PF02", "none"),
        ("建议在小广场加几把椅子", "file", "PA01", "none"),
        ("建议", "file", "PA01", "none"),
        ("狗", "ask", "EN08", "none"),
        ("狗狗狗狗狗狗狗狗", "ask", "EN08", "none"),
        ("催", "ask", "GS04", "none"),
        ("坏了", "none", None, "none"),
        ("路灯坏了", "file", "PF06", "none"),
        ("今天吃了碗面", "none", None, "none"),
        ("", "none", None, "none"),
    ],
)
def test_decisions(text: str, outcome: str, category: str | None, danger: str) -> None:
    decision = decide(text, RULES)
    assert (decision.outcome, decision.category, decision.danger) == (outcome, category, danger)


def test_an_unclear_text_is_only_a_candidate_when_nothing_else_is() -> None:
    assert codes(decide("坏了", RULES)) == ["OS06"]
    assert "OS06" not in codes(decide("那个路灯有问题", RULES))


def test_the_words_of_the_decision_are_the_files_words() -> None:
    (best, *_) = decide("楼 道 里 好大一股煤气味", RULES).candidates
    assert (best.category, best.matched) == ("EM02", ("煤气味",))
    assert best.score == pytest.approx(3**1.5)


def test_the_contracts_json() -> None:
    told = to_json(decide("楼上半夜跑来跑去吵得睡不着", RULES), "楼上半夜跑来跑去吵得睡不着")
    assert json.loads(json.dumps(told)) == {
        "text": "楼上半夜跑来跑去吵得睡不着",
        "decision": "file",
        "category": "OR01",
        "candidates": [{"category": "OR01", "score": 9.02, "matched": ["睡不着", "半夜", "吵"]}],
        "emergency": False,
        "ask_danger": False,
        "scope": "小事",
        "rules_version": RULES.version,
    }


@settings(deadline=None)
@given(ANY_TEXT)
@example("着火" * 5000)
@example("狗吵晃旱" * 2500)
@example("\ufdfa" * 10_000)
def test_any_text_gets_the_same_sound_decision_twice(text: str) -> None:
    decision = decide(text, RULES)
    assert decision == decide(text, RULES)
    assert len(decision.candidates) <= 3
    assert (decision.category is None) == (decision.outcome is Outcome.NONE)
    assert decision.category in (None, *codes(decision)[:1])
    assert decision.category != "OS06"


@given(ANY_TEXT)
def test_normalized_text_has_nothing_blank_or_upper(text: str) -> None:
    plain = normalize(text)
    assert not any(character.isspace() for character in plain)
    plain.encode()  # no lone surrogates


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("ＡＢＣ１２３", "abc123"),
        ("三 号\t楼\n", "三号楼"),
        ("着\u200b火\ufeff", "着火"),
        ("\x00停\x7f电", "停电"),
        ("③", "3"),
        ("樓 上著火了", "楼上着火了"),
    ],
)
def test_normalize(written: str, same: str) -> None:
    assert normalize(written) == same


Weights = dict[str, int]


def leaf(code: str, scope: Scope = Scope.MINOR, *, alone: bool = True) -> Leaf:
    return Leaf(code, code, code[0], scope, "bot", (), "T3", "收到", alone=alone)


def rules(unclear: str = "", **lexicons: Lexicon | Weights) -> Rules:
    """Rules with a category for each name; EM is an urgent one, `danger` and the like are senses."""
    senses = {sense.name.lower(): sense for sense in Sense}
    said = {
        senses.get(name, name): one if isinstance(one, Lexicon) else Lexicon(one)
        for name, one in lexicons.items()
    }
    leaves = tuple(
        leaf(name, Scope.URGENT if name.startswith("EM") else Scope.MINOR)
        for name in lexicons
        if name not in senses
    )
    return compile_rules(RulesDocument("1", leaves, said, {}, unclear, Thresholds()))


def scores(text: str, some: Rules) -> dict[str, int]:
    return {one.category: one.score for one in decide(text, some).candidates}


def test_weights_add_up_and_a_word_counts_once() -> None:
    some = rules(A={"电梯": 3, "坏了": 2}, B={"电梯": 1})
    assert scores("电梯坏了，电梯坏了", some) == {"A": 5, "B": 1}


def test_a_word_may_speak_against_a_category() -> None:
    some = rules(A={"电梯": 3, "广告": -5}, B={"广告": 4})
    assert scores("电梯里的广告", some) == {"B": 4, "A": -2}


def test_what_nothing_speaks_for_is_no_candidate() -> None:
    assert scores("广告", rules(A={"电梯": 3, "广告": -5}, B={"电梯": 3})) == {}


def test_an_excluded_phrase_hides_words_from_its_own_category_only() -> None:
    some = rules(A=Lexicon({"广场": 3}, exclude=("广场舞",)), B={"广场": 2})
    assert scores("广场舞", some) == {"B": 2}
    assert scores("广场舞之外的广场", some) == {"A": 3, "B": 2}


def test_the_longest_beginning_counts_and_only_there() -> None:
    some = rules(A=Lexicon(starts={"提个建议": 6}), B=Lexicon({"修": 1}, starts={"提": 6}))
    assert scores("提个建议:修路", some) == {"A": 6, "B": 1}
    assert scores("我提个建议:修路", some) == {"B": 1}


COMBO = Combo("水…没", (("水管", "水"), ("没", "无")), 4, ordered=True, within=3)
TOGETHER = Combo("水+停", (("水",), ("停", "断")), 4, unless=("停车",))


@pytest.mark.parametrize(
    ("combo", "text", "holds"),
    [
        (COMBO, "水管里没有", True),
        (COMBO, "水全都没有", True),
        (COMBO, "水今天早上起没有", False),  # too far apart
        (COMBO, "没有水", False),  # in the other order
        (COMBO, "没水，水没", True),
        (TOGETHER, "停了水", True),
        (TOGETHER, "水费交了还断", True),
        (TOGETHER, "停车场积水", False),
        (TOGETHER, "停了", False),
    ],
)
def test_words_together(combo: Combo, text: str, holds: bool) -> None:
    assert scores(text, rules(A=Lexicon(combos=(combo,)))) == ({"A": 4} if holds else {})


def test_words_inside_an_excluded_phrase_make_no_combination() -> None:
    some = rules(A=Lexicon(combos=(TOGETHER,), exclude=("不停",)))
    assert scores("水不停", some) == {}
    assert scores("水不停，一停就好", some) == {"A": 4}


@pytest.mark.parametrize(
    ("scored", "outcome"),
    [((5, 3), "file"), ((5, 4), "ask"), ((4, 0), "ask"), ((9, 8), "ask"), ((0, 0), "none")],
)
def test_filed_alone_from_a_score_and_a_lead(scored: tuple[int, int], outcome: str) -> None:
    first, second = scored
    assert decide("灯", rules(A={"灯": first}, B={"灯": second})).outcome == outcome


def test_some_categories_are_never_filed_without_asking() -> None:
    document = RulesDocument(
        "1", (leaf("A", alone=False),), {"A": Lexicon({"在吗": 9})}, {}, "", Thresholds()
    )
    decision = decide("在吗", compile_rules(document))
    assert (decision.outcome, decision.category) == (Outcome.ASK, "A")


def test_what_is_unclear_is_only_a_candidate_when_nothing_else_is() -> None:
    some = rules(unclear="U", U={"坏了": 9}, A={"灯": 2})
    assert scores("灯坏了", some) == {"A": 2}
    assert scores("坏了", some) == {"U": 9}


def test_nothing_to_file() -> None:
    some = rules(A={"灯": 9}, nothing={"修好了": 3, "不用来": 3})
    assert decide("灯修好了", some).outcome is Outcome.FILE
    settled = decide("灯修好了，不用来了", some)
    assert (settled.outcome, settled.category, settled.danger) == (Outcome.NONE, None, Danger.NONE)


def test_a_question_is_known_as_one() -> None:
    some = rules(A={"低保": 9}, question={"怎么": 3, "要什么": 3})
    assert decide("低保怎么办，要什么材料", some).question
    assert not decide("低保怎么还没发", some).question


@pytest.mark.parametrize(
    ("danger", "category", "level"),
    [
        (10, 0, "alarm"),
        (5, 0, "ask"),
        (4, 0, "none"),
        (5, 9, "alarm"),  # clearly an urgent category, and enough speaks for danger to ask
        (1, 9, "ask"),
        (0, 9, "none"),  # urgent by its words, but nothing says that anybody is in danger
        (-9, 9, "none"),
    ],
)
def test_levels_of_danger(danger: int, category: int, level: str) -> None:
    some = rules(EM={"火": category, "旧": 1}, danger={"火": danger, "无": 1})
    assert decide("火", some).danger == level


def test_an_alarm_puts_the_urgent_category_first() -> None:
    some = rules(A={"配电盒": 9}, EM={"闪": 2}, danger={"滋滋": 6, "蓝光": 6})
    decision = decide("配电盒滋滋地闪蓝光", some)
    assert (decision.outcome, decision.danger) == (Outcome.FILE, Danger.ALARM)
    assert [one.category for one in decision.candidates] == ["EM", "A"]


def test_rules_without_words_of_danger_trust_their_urgent_categories() -> None:
    assert decide("火", rules(EM={"火": 9})).danger is Danger.ALARM


def test_the_version_follows_the_content() -> None:
    one = rules(A={"路灯": 3})
    assert one.version == rules(A={"路灯": 3}).version
    assert one.version != rules(A={"路灯": 4}).version
    assert one.version.startswith("1+")


def test_rules_without_categories_decide_nothing() -> None:
    assert decide("路灯", rules()).outcome is Outcome.NONE


def test_values_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RULES.leaves["EM01"].name = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        RULES.leaves["EM01"] = RULES.leaves["EM02"]  # type: ignore[index]
