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
    assert len(EXAMPLES) == 226
    assert [(text, code) for text, code in EXAMPLES if code not in codes(decide(text, RULES))] == []


def test_every_emergency_example_is_heard() -> None:
    urgent = {text for text, code in EXAMPLES if RULES.leaves[code].scope is Scope.URGENT}
    assert len(urgent) == 18
    assert {text for text in urgent if decide(text, RULES).danger is Danger.NONE} == set()
    alarming = {text for text, _ in EXAMPLES if decide(text, RULES).danger is Danger.ALARM}
    assert len(alarming & urgent) >= 16
    assert len(alarming - urgent) <= 1


@pytest.mark.parametrize(
    ("text", "outcome", "category", "danger"),
    [
        ("三号楼五层厨房着火了", "file", "EM01", "alarm"),
        ("着火了", "file", "EM01", "alarm"),
        ("着 火\n了", "file", "EM01", "alarm"),
        ("火锅店着火了", "file", "EM01", "alarm"),
        ("起火了，房子冒黑烟", "file", "EM01", "alarm"),
        ("\ud800着火", "ask", "EM01", "ask"),
        ("路灯坏了,楼道声控灯也不亮,还有人打架", "ask", "PF06", "ask"),
        ("电梯里有人被困电梯,快来", "file", "EM05", "alarm"),
        ("老人手环报警心率过高", "file", "CA02", "alarm"),
        ("救命", "file", "EM04", "alarm"),
        ("他流了好多血", "file", "EM03", "alarm"),
        ("火锅店油烟太大", "file", "EN04", "none"),  # AT12
        ("没着火", "ask", "EM01", "none"),
        ("灶台打不着火", "ask", "PF03", "none"),
        ("单元门口下水道往外冒污水", "file", "PF05", "none"),
        ("我家停电了", "file", "PF02", "none"),
        ("停水了", "file", "PF01", "none"),
        ("路灯坏了", "file", "PF06", "none"),
        ("樓道的燈壞了", "file", "PF06", "none"),
        ("建议在小广场加几把椅子", "file", "PA01", "none"),
        ("灯修好了,不用来了", "none", None, "none"),
        ("谢谢您,真是救命恩人", "none", None, "none"),
        ("坏了", "none", None, "none"),
        ("", "none", None, "none"),
    ],
)
def test_decisions(text: str, outcome: str, category: str | None, danger: str) -> None:
    decision = decide(text, RULES)
    assert (decision.outcome, decision.category, decision.danger) == (outcome, category, danger)


def test_the_contracts_json() -> None:
    some = rules(A={"楼上": 9, "吵": 6}, B={"楼上": 2})
    told = to_json(decide("楼上半夜吵", some), "楼上半夜吵")
    assert json.loads(json.dumps(told)) == {
        "text": "楼上半夜吵",
        "decision": "file",
        "category": "A",
        "candidates": [
            {"category": "A", "score": 15, "matched": ["楼上", "吵"]},
            {"category": "B", "score": 2, "matched": ["楼上"]},
        ],
        "emergency": False,
        "ask_danger": False,
        "scope": "小事",
        "rules_version": some.version,
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
    assert scores("电梯里的广告", some) == {"B": 4}


def test_where_more_is_said_against_all_the_least_bad_is_left() -> None:
    some = rules(A={"电梯": 3, "广告": -5}, B={"电梯": 3, "广告": -4}, C={"广告": -1})
    assert scores("电梯里的广告", some) == {"B": -1, "A": -2}


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


def test_what_is_unclear_is_never_a_choice_beside_others() -> None:
    some = rules(unclear="U", U={"坏了": 5}, A={"灯": 6}, B={"门": 2})
    assert scores("灯坏了", some) == {"A": 6}
    assert scores("门坏了", some) == {"U": 5}
    assert decide("门坏了", some).outcome is Outcome.NONE


def test_a_faint_guess_is_none() -> None:
    some = compile_rules(
        RulesDocument("1", (leaf("A"),), {"A": Lexicon({"灯": 2})}, {}, "", Thresholds(least=3))
    )
    decision = decide("灯", some)
    assert (decision.outcome, decision.category, codes(decision)) == (Outcome.NONE, None, ["A"])


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


def test_the_digits_of_a_long_number_are_no_words() -> None:
    some = rules(EM={"119": 9}, danger={"119": 12})
    assert decide("电话13911912345", some).danger is Danger.NONE
    assert decide("要不要打119", some).danger is Danger.ALARM


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
