import numpy as np
import pytest
from tiny import make_judge, tone

from audio_judge.audio import AudioError
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.preferences import aligned, clearest
from audio_judge.judge.requests import Questionnaire, Request
from audio_judge.tasks.compare import verdict

FIRST, SECOND = (tone(0.7, 300), 48_000), (tone(1.1, 2500), 48_000)
LONG = np.concatenate([tone(10, 300), tone(10, 3000), tone(4, 900)])


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    return AudioJudge(*make_judge(tmp_path_factory.mktemp("compare")), name="tiny", revision="r1")


def compare(judge, first, second, **options):
    return judge.compare(first, second, explain=False, **options)


class TestCompare:
    def test_swap_swaps_the_answer(self, judge):
        one, other = compare(judge, FIRST, SECOND), compare(judge, SECOND, FIRST)
        assert one.probabilities["A"] == pytest.approx(other.probabilities["B"], abs=1e-6)
        assert one.probabilities["B"] == pytest.approx(other.probabilities["A"], abs=1e-6)
        assert one.probabilities["tie"] == pytest.approx(other.probabilities["tie"], abs=1e-6)
        assert abs(one.probabilities["A"] - one.probabilities["B"]) > 1e-4  # else nothing was swapped

    def test_swap_swaps_the_answer_about_long_clips(self, judge):
        one = compare(judge, (LONG, 48_000), SECOND, rubric=["mos", "loudness"])
        other = compare(judge, SECOND, (LONG, 48_000), rubric=["mos", "loudness"])
        for name in ("mos", "loudness"):
            assert one.rubrics[name]["A"] == pytest.approx(other.rubrics[name]["B"], abs=1e-6)

    def test_identical_clips_are_a_tie_by_rule(self, judge):
        said = compare(judge, FIRST, FIRST, rubric=["mos", "loudness"])
        for shares in (said.probabilities, said.rubrics["loudness"]):
            assert shares == pytest.approx({"A": 0.01, "B": 0.01, "tie": 0.98})
        assert said.better == "tie"

    @pytest.mark.parametrize("change", [lambda x: 10 ** (0.1 / 20) * x, lambda x: x[480:]])
    def test_what_nobody_hears_is_a_tie_too(self, judge, change):
        said = compare(judge, FIRST, (change(FIRST[0]), 48_000))
        assert (said.better, said.probabilities["tie"]) == ("tie", pytest.approx(0.98))

    def test_is_the_mean_over_both_orders_of_the_question(self, judge):
        from audio_judge.messages import pair_state
        from audio_judge.tasks.compare import question

        states = [pair_state(FIRST[0], SECOND[0]), pair_state(SECOND[0], FIRST[0])]
        heard = judge.reader.decide(states, Questionnaire(more={"mos": question()}))
        forward, backward = (one.probabilities["mos"] for one in heard)
        expected = (forward + backward[[1, 0, 2]]) / 2
        said = compare(judge, FIRST, SECOND)
        assert list(said.probabilities.values()) == pytest.approx(expected, abs=1e-5)

    def test_long_clips_are_compared_where_they_are_alike_in_time(self, judge):
        said = compare(judge, (LONG, 48_000), (LONG[::-1].copy(), 48_000))
        cuts = [np.split(samples, [480_000, 960_000]) for samples in (LONG, LONG[::-1].copy())]
        parts = [compare(judge, (a, 48_000), (b, 48_000)).probabilities["A"] for a, b in zip(*cuts, strict=True)]
        assert said.probabilities["A"] == pytest.approx(np.average(parts, weights=[10, 10, 4]), abs=1e-5)

    def test_lists_keep_their_order(self, judge):
        several = compare(judge, [FIRST, SECOND], [SECOND, SECOND])
        assert several[0].probabilities == pytest.approx(compare(judge, FIRST, SECOND).probabilities, abs=1e-5)
        assert several[1].better == "tie"

    def test_part_of_a_clip(self, judge):
        part = compare(judge, Request(SECOND, start_time=0.1, end_time=0.6), FIRST)
        cut = compare(judge, (SECOND[0][4800:28_800], 48_000), FIRST)
        assert part.probabilities == pytest.approx(cut.probabilities, abs=1e-5)

    def test_first_rubric_decides(self, judge):
        said = judge.compare(FIRST, SECOND, rubric=["noisiness", "mos"], max_new_tokens=8)
        assert said.probabilities == said.rubrics["noisiness"]
        assert list(said.rubrics) == ["noisiness", "mos"]

    def test_reasons_look_at_the_aspects(self, judge):
        said = judge.compare(FIRST, SECOND, max_new_tokens=8)
        assert list(said.rubrics) == ["mos", "noisiness", "coloration", "discontinuity", "loudness"]
        assert said.text == f"{said.reasons}\n[{ {'A': 'SpeechA', 'B': 'SpeechB', 'tie': 'Tie'}[said.better] }]"

    def test_reasons_do_not_change_the_verdict(self, judge):
        with_reasons = judge.compare(FIRST, SECOND, max_new_tokens=8)
        assert with_reasons.probabilities == pytest.approx(compare(judge, FIRST, SECOND).probabilities, abs=1e-5)

    def test_listener_is_part_of_the_question(self, judge):
        heard = compare(judge, FIRST, SECOND, listener="elderly")
        assert heard.probabilities["A"] != compare(judge, FIRST, SECOND).probabilities["A"]

    def test_bad_pair_is_one_error_among_the_others(self, judge, tmp_path):
        said = judge.compare([FIRST, FIRST], [tmp_path / "missing.wav", SECOND], max_new_tokens=4)
        assert "missing.wav" in said[0].error
        assert said[0].better is None
        assert said[1].error is None

    def test_single_bad_pair_raises(self, judge, tmp_path):
        with pytest.raises(AudioError, match=r"missing\.wav"):
            judge.compare(tmp_path / "missing.wav", FIRST)

    def test_unequal_lists_are_refused(self, judge):
        with pytest.raises(ValueError, match="2 first and 1 second"):
            judge.compare([FIRST, FIRST], [SECOND])

    def test_reference_is_refused(self, judge):
        with pytest.raises(ValueError, match="no reference"):
            judge.compare(Request(FIRST, SECOND), SECOND)


class TestAligned:
    @pytest.mark.parametrize(
        ("first", "second", "expected"),
        [
            ("ab", "xy", ["ax", "by"]),
            ("a", "xyz", ["ax", "ay", "az"]),
            ("abcde", "xy", ["ax", "bx", "cx", "dy", "ey"]),
        ],
    )
    def test_cases(self, first, second, expected):
        pairs = aligned(iter(first), iter(second), len(first), len(second))
        assert ["".join(pair) for pair in pairs] == expected


class TestVerdict:
    def test_largest_share_wins(self):
        assert verdict({"A": 0.2, "B": 0.5, "tie": 0.3}) == "B"
        assert verdict({"A": 0.3, "B": 0.2, "tie": 0.5}) == "tie"

    def test_no_more_than_three_aspects_are_named(self):
        shares = {name: {"A": 0.5 + index / 10, "B": 0.1, "tie": 0.1} for index, name in enumerate("abcde")}
        assert clearest(shares) == {"e": "A", "d": "A", "c": "A"}
