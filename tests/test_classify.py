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
from routing.rules import Leaf, Prefix, Rules, RulesDocument, Scope, Thresholds, Words, compile_rules
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


@given(st.lists(st.sampled_from(sorted(RULES.leaves["EM01"].keywords)), min_size=1), ANY_TEXT)
def test_an_emergency_keyword_alone_outranks_everything(words: list[str], noise: str) -> None:
    assert decide("。".join(words) + "。楼道垃圾没人清,电梯坏", RULES).category == "EM01"


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
    ],
)
def test_normalize(written: str, same: str) -> None:
    assert normalize(written) == same


def leaf(code: str, *keywords: str, exclude: tuple[str, ...] = (), scope: Scope = Scope.MINOR) -> Leaf:
    return Leaf(code, code, code[0], scope, "bot", (), "T3", keywords, exclude, "收到")


def rules(*leaves: Leaf, weak: tuple[str, ...] = (), prefixes: tuple[Prefix, ...] = ()) -> Rules:
    return compile_rules(
        RulesDocument("1", leaves, {}, weak, 0.35, prefixes, Words(), Words(), (), "", Thresholds())
    )


def test_longest_keyword_takes_its_place() -> None:
    decision = decide("电梯坏了", rules(leaf("A", "电梯", "电梯坏", "坏了")))
    assert decision.candidates[0].matched == ("电梯坏",)


def test_a_keyword_within_another_categorys_longer_one_is_not_meant() -> None:
    two = rules(leaf("A", "打不着火"), leaf("B", "着火"))
    assert codes(decide("打不着火", two)) == ["A"]
    assert codes(decide("打不着火,着火了", two)) == ["A", "B"]


def test_categories_may_share_a_keyword() -> None:
    assert codes(decide("裂缝", rules(leaf("A", "裂缝"), leaf("B", "裂缝")))) == ["A", "B"]


def test_an_excluded_phrase_hides_words_from_its_own_category_only() -> None:
    two = rules(leaf("A", "广场", exclude=("广场舞",)), leaf("B", "广场"))
    assert codes(decide("广场舞", two)) == ["B"]
    assert set(codes(decide("广场舞之外的广场", two))) == {"A", "B"}


def test_a_hidden_longer_keyword_does_not_cover_a_shorter_one() -> None:
    two = rules(leaf("A", "打不着火", exclude=("打不着火了",)), leaf("B", "着火"))
    assert codes(decide("打不着火了", two)) == ["B"]


def test_weak_words_and_margin() -> None:
    two = rules(leaf("A", "声控灯坏了"), leaf("B", "多少年了"), weak=("多少年了",))
    assert decide("声控灯坏了多少年了", two).outcome is Outcome.FILE
    assert (
        decide("声控灯坏了多少年了", rules(leaf("A", "声控灯"), leaf("B", "多少年"))).outcome is Outcome.ASK
    )


def test_the_longest_prefix_counts_once() -> None:
    prefixes = (Prefix("提", "B"), Prefix("提个建议", "A"))
    decision = decide("提个建议:修路", rules(leaf("A", "建议"), leaf("B", "修"), prefixes=prefixes))
    assert [(item.category, round(item.score, 1)) for item in decision.candidates] == [("A", 8.8), ("B", 1.0)]


def test_the_version_follows_the_content() -> None:
    one = rules(leaf("A", "路灯"))
    assert one.version == rules(leaf("A", "路灯")).version
    assert one.version != rules(leaf("A", "路灯", "灯杆")).version
    assert one.version.startswith("1+")


def test_rules_without_categories_decide_nothing() -> None:
    assert decide("路灯", rules()).outcome is Outcome.NONE


def test_values_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RULES.leaves["EM01"].name = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        RULES.leaves["EM01"] = RULES.leaves["EM02"]  # type: ignore[index]
