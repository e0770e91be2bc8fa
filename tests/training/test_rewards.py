import random

import numpy as np
import pytest

from audio_judge.clips import Cause
from audio_judge.rubrics.rubric import get_rubric
from audio_judge.tasks import (
    Assessment,
    CategoryTarget,
    Comparison,
    Description,
    Detection,
    Distortion,
    Explanation,
    ScoreTarget,
    Suggestions,
    assess,
    categorize,
    compare,
    describe,
    detect,
    explain,
    profile,
    rate,
    score,
    suggest,
)
from audio_judge.text_models.evaluator import Case
from audio_judge.training.rewards import (
    EvaluatorReward,
    agreement_reward,
    causes_reward,
    copies,
    detection_reward,
    format_reward,
    make_rewards,
    overlap_reward,
    preference_reward,
    read_weights,
    repeats,
    text_of,
)

SCORES = {"mos": 2.4, "noisiness": 1.8, "loudness": 4.1}
ASSESSMENT = Assessment(
    {"mos": 2, "intelligibility": 3, "distortion": 1}, "slow", (Distortion("jitter", ((0.0, 1.5),)),)
)
DESCRIPTIONS = {
    "en": "The speech is noisy.",
    "fr": "La parole est bruitée.",
    "zh": "语音有噪声。",
    "ja": "雑音が多い。",
}


def written(language="en"):
    """Task: what write makes, rubrics asked for."""
    explanation = Explanation(SCORES, (Cause("noise", {"snr_db": 5.0}),))
    spoken = {"language": language}
    return {
        "score": (score.write(ScoreTarget(get_rubric("mos"), 2.4), **spoken), ["mos"]),
        "rate": (rate.write(ScoreTarget(get_rubric("mos"), 2.4), **spoken), ["mos"]),
        "categorize": (categorize.write(CategoryTarget(get_rubric("noisiness"), "noisy"), **spoken), ["noisiness"]),
        "profile": (profile.write(SCORES, **spoken), list(SCORES)),
        "explain": (explain.write(explanation, 3, **spoken), list(SCORES)),
        "describe": (describe.write(Description(DESCRIPTIONS[language], 2.4), **spoken), ["mos"]),
        "assess": (assess.write(ASSESSMENT, **spoken), ["mos", "intelligibility", "distortion", "speech_rate"]),
        "compare": (compare.write(Comparison({"mos": "A", "noisiness": "A"}), **spoken), []),
        "suggest": (suggest.write(Suggestions(("noisiness",), ("Move away from the fan.",)), **spoken), []),
        "detect": (detect.write(Detection(True), **spoken), []),
    }


WRITTEN = written()
REQUEST = "Explain the quality of this clip: overall quality, noisiness and loudness, each 1 to 5, then the reasons."


def columns(task, rubrics=(), number=1, **known):
    """What a trainer passes on beside the completions, all rows alike."""
    row = {
        "task": task, "rubrics": list(rubrics), "scores": {}, "causes": None, "label": "", "verdicts": {}, "spans": {},
        "clip": "a.wav", "pair": "", "is_swapped": False, "reference": "", "truth": "", "prompts": REQUEST,
    }  # fmt: skip
    return {name: [value] * number for name, value in (row | known).items()}


def total(answer, task, rubrics, reference, **known):
    """The sum of all rewards that apply, with the weights of the mini recipe."""
    given = columns(task, rubrics, reference=reference, **known)
    functions, weights = make_rewards(["agreement=1", "causes=1", "detection=1", "overlap=1", "format=0.5"])
    values = [function([answer], **given)[0] for function in functions]
    return sum(weight * value for weight, value in zip(weights, values, strict=True) if value is not None)


class TestTextOf:
    def test_completions_are_texts_or_messages(self):
        assert text_of("3.4") == text_of([{"role": "assistant", "content": "3.4"}]) == "3.4"


class TestAgreementReward:
    def reward(self, answers, truths, clips=None):
        rows = columns("score", ["mos"], len(answers))
        rows |= {"scores": [{"mos": truth} for truth in truths], "clip": clips or ["a.wav"] * len(answers)}
        return agreement_reward(answers, **rows)

    def test_closeness_alone_within_one_clip(self):
        assert self.reward(["4.0", "3.0", "1.0"], [4.0] * 3) == [1.0, 0.75, 0.25]

    def test_is_a_share_of_the_own_scale(self):
        rows = columns("profile", ["mos", "production_quality"], scores={"mos": 3.0, "production_quality": 5.5})
        text = "MOS: 4\nProduction quality: 7.75"
        assert agreement_reward([text], **rows) == [pytest.approx(0.75)]  # one of four, and 2.25 of nine

    def test_unreadable_is_zero_and_other_tasks_are_none(self):
        assert self.reward(["no idea"], [4.0]) == [0.0]
        assert agreement_reward(["[SpeechA]"], **columns("compare")) == [None]

    def test_missing_rubric_counts_as_zero(self):
        rows = columns("profile", ["mos", "noisiness"], scores={"mos": 3.0, "noisiness": 2.0})
        assert agreement_reward(["Overall quality: 3.0"], **rows) == [0.5]

    def test_order_counts_between_clips(self):
        rewards = self.reward(["2.0", "4.0", "4.0", "2.0"], [2.0, 4.0, 2.0, 4.0], ["a", "b", "c", "d"])
        assert rewards[0] > rewards[2]
        assert self.reward(["2.0", "4.0"], [2.0, 4.0], ["a", "b"]) == [1.0, 1.0]
        assert self.reward(["4.0", "2.0"], [2.0, 4.0], ["a", "b"]) == [0.25, 0.25]

    def test_hedged_three_shows_no_difference(self):
        assert self.reward(["3.0", "3.0"], [2.0, 4.0], ["a", "b"]) == [0.625, 0.625]

    @pytest.mark.parametrize("noise", [0.5, 0.8, 1.0])
    def test_hedged_three_loses_to_a_judge_that_hears(self, noise):
        """Half of each group says 3, half the truth with an error of up to 1.4 times the spread of the truths (0.7).

        By closeness alone the hedge would win where the error is as large as that; by advantages within the group, in
        units of its spread, it still loses.
        """
        rng, hedged, heard, by_closeness = np.random.default_rng(0), [], [], []
        for _ in range(300):
            truths = np.clip(rng.normal(3, 0.7, 4), 1, 5).repeat(4)
            hedges = np.tile([True, True, False, False], 4)
            said = np.where(hedges, 3.0, np.clip(truths + rng.normal(0, noise, 16), 1, 5))
            clips = [str(index) for index in range(4) for _ in range(4)]
            rewards = np.array(self.reward([f"{one:.1f}" for one in said], truths.tolist(), clips)).reshape(4, 4)
            advantages = (rewards - rewards.mean(1, keepdims=True)) / (rewards.std(1, ddof=1, keepdims=True) + 1e-4)
            hedged.append(advantages.ravel()[hedges].mean())
            heard.append(advantages.ravel()[~hedges].mean())
            errors = np.abs(said - truths)
            by_closeness.append(errors[hedges].mean() < errors[~hedges].mean())
        assert np.mean(heard) > np.mean(hedged) + 0.05
        assert (np.mean(by_closeness) > 0.5) == (noise > 0.7)


class TestHacks:
    """Each known way to cheat earns less than an honest answer, which need not be perfect."""

    def explained(self, answer):
        honest = explain.write(Explanation(SCORES, (Cause("noise", {"snr_db": 5.0}),)), 3)
        return total(answer, "explain", list(SCORES), honest, scores=SCORES, causes=["noise", "echo"])

    @property
    def honest(self):
        near = {"mos": 2.9, "noisiness": 2.5, "loudness": 3.6}
        return explain.write(Explanation(near, (Cause("noise", {"snr_db": 5.0}),)), 4)

    def test_honest_answer_is_worth_something(self):
        assert self.explained(self.honest) > 1.8

    def test_naming_all_causes(self):
        everything = tuple(Cause(kind) for kind in explain.KINDS)
        assert self.explained(explain.write(Explanation(SCORES, everything), 4)) < self.explained(self.honest)

    def test_repeated_answer(self):
        assert self.explained(f"{self.honest}\n\n{self.honest}") < self.explained(self.honest)
        words = self.honest.partition("\n\n")[2]
        assert self.explained(f"{self.honest} {words}") < self.explained(self.honest)

    def test_copied_prompt(self):
        assert self.explained(REQUEST) < self.explained(self.honest)
        assert self.explained(f"{self.honest} {REQUEST}") < self.explained(self.honest)

    def test_very_long_answer(self):
        rng = random.Random(0)
        padding = " ".join(f"{rng.choice('bcdfg')}{rng.choice('aeiou')}{index}." for index in range(200))
        assert self.explained(f"{self.honest} {padding}") < self.explained(self.honest)

    def test_empty_answer(self):
        assert self.explained("") == 0

    def test_hedged_three_everywhere(self):
        """Over clips that differ; a single one in the middle of the scale proves nothing."""
        truths = [{"mos": value, "noisiness": value, "loudness": value} for value in (1.4, 2.2, 3.8, 4.6)]
        rows = columns("explain", list(SCORES), 4, causes=[])
        rows |= {"scores": truths, "clip": list("abcd")}
        hedged = [explain.write(Explanation(dict.fromkeys(SCORES, 3.0))) for _ in truths]
        heard = [
            explain.write(Explanation({k: v + e for k, v in t.items()}))
            for t, e in zip(truths, (0.6, -0.6, 0.6, -0.6), strict=True)
        ]
        assert sum(agreement_reward(hedged, **rows)) < sum(agreement_reward(heard, **rows))

    @pytest.mark.parametrize("think", ["", "One line for each dimension, with notes:\n"])
    def test_empty_thought(self, think):
        honest = assess.write(Assessment({"mos": 3, "intelligibility": 3, "distortion": 2}, "slow"))
        empty = f"<think>\n{think}</think>\n\n<answer>\n{assess.summarise(ASSESSMENT)}\n</answer>"
        rubrics = ["mos", "intelligibility", "distortion", "speech_rate"]
        known = {"scores": {"mos": 2, "intelligibility": 3, "distortion": 1, "speech_rate": 1.0}}
        assert total(empty, "assess", rubrics, honest, **known) < total(honest, "assess", rubrics, honest, **known)

    def test_scores_moved_out_of_an_empty_thought(self):
        honest = assess.write(ASSESSMENT)
        think = honest.partition("<think>\n")[2].partition("\n</think>")[0]
        moved = f"<think>\n</think>\n\n<answer>\n{think}\n</answer>"
        rubrics = ["mos", "intelligibility", "distortion", "speech_rate"]
        assert total(moved, "assess", rubrics, honest) < total(honest, "assess", rubrics, honest)

    def test_empty_thought_is_right_for_detect(self):
        assert total(detect.write(Detection(True)), "detect", [], detect.write(Detection(True)), label="fake") == 1.5

    def test_both_words(self):
        assert total("real or fake", "detect", [], "", label="fake") == 0

    def test_whole_clip_as_artifact(self):
        known = {"spans": {"jitter": [[1.0, 1.4]]}}
        honest = assess.write(Assessment({"distortion": 1}, "", (Distortion("jitter", ((0.8, 1.2),)),)))
        everywhere = assess.write(Assessment({"distortion": 1}, "", (Distortion("jitter", ((0.0, 9.0),)),)))
        assert total(everywhere, "assess", [], honest, **known) < total(honest, "assess", [], honest, **known)

    def test_always_the_first_clip(self):
        rows = columns("compare", (), 4) | {"pair": ["p"] * 4, "is_swapped": [False, False, True, True]}
        rows["verdicts"] = [{"mos": "A"}] * 2 + [{"mos": "B"}] * 2
        assert preference_reward(["[SpeechA]"] * 4, **rows) == [0.0] * 4
        honest = ["[SpeechA]", "[SpeechB]", "[SpeechB]", "[SpeechB]"]
        assert preference_reward(honest, **rows) == [1.0, 0.0, 0.5, 0.5]


class TestPreferenceReward:
    def test_none_without_the_other_order(self):
        rows = columns("compare", verdicts={"mos": "A"}, pair="p")
        assert preference_reward(["[SpeechA]"], **rows) == [None]

    def test_tie_is_its_own_mirror(self):
        rows = columns("compare", (), 2, verdicts={"mos": "tie"}, pair="p") | {"is_swapped": [False, True]}
        assert preference_reward(["[Tie]", "[Tie]"], **rows) == [1.0, 1.0]

    def test_unreadable_is_zero_for_both(self):
        rows = columns("compare", (), 2, pair="p") | {
            "is_swapped": [False, True],
            "verdicts": [{"mos": "A"}, {"mos": "B"}],
        }
        assert preference_reward(["[SpeechA]", "hm"], **rows) == [0.0, 0.0]


class TestCausesReward:
    @pytest.mark.parametrize(
        ("named", "known", "wanted"),
        [
            ([], [], 1.0),  # nothing wrong, nothing named
            (["noise"], [], 0.0),
            (["noise"], ["noise", "echo"], 2 / 3),
            (["clicks"], ["noise"], 0.0),
        ],
    )
    def test_f1(self, named, known, wanted):
        text = explain.write(Explanation({"mos": 2.0}, tuple(map(Cause, named))))
        assert causes_reward([text], **columns("explain", ["mos"], causes=known)) == [pytest.approx(wanted)]

    def test_unknown_causes_are_none(self):
        assert causes_reward(["x"], **columns("explain", ["mos"])) == [None]


class TestDetectionReward:
    @pytest.mark.parametrize(
        ("answer", "wanted"),
        [("FAKE", 1.0), ("The voice is spoofed.", 1.0), ("Real", 0.0), ("not fake", 0.0), ("", 0.0)],
    )
    def test_any_case_and_word(self, answer, wanted):
        assert detection_reward([answer], **columns("detect", label="fake")) == [wanted]


class TestOverlapReward:
    @pytest.mark.parametrize(
        ("said", "wanted"),
        [
            ((("jitter", ((1.0, 2.0),)),), 1.0),
            ((("jitter", ((1.5, 2.5),)),), 1 / 3),
            ((("jitter", ((1.0, 1.6), (1.4, 2.0))),), 1.0),  # overlapping spans count once
            ((("artifacts", ((1.0, 2.0),)),), 0.0),  # the right time of something else
            ((("jitter", ((1.0, 2.0),)), ("artifacts", ((0.0, 1.0),))), 0.5),
        ],
    )
    def test_time_in_both_over_time_in_either(self, said, wanted):
        distortions = tuple(Distortion(kind, spans) for kind, spans in said)
        text = assess.write(Assessment({"distortion": 2}, distortions=distortions))
        found = overlap_reward([text], **columns("assess", spans={"jitter": [[1.0, 2.0]]}))
        assert found == [pytest.approx(wanted)]

    def test_none_where_no_time_is_known(self):
        assert overlap_reward([assess.write(ASSESSMENT)], **columns("assess")) == [None]


class TestFormatReward:
    @pytest.mark.parametrize("task", WRITTEN)
    def test_what_is_written_is_in_form(self, task):
        text, rubrics = WRITTEN[task]
        assert format_reward([text], **columns(task, rubrics, reference=text)) == [1.0]

    @pytest.mark.parametrize("language", ["fr", "zh", "ja"])
    @pytest.mark.parametrize("task", WRITTEN)
    def test_what_is_written_in_a_language_is_in_its_form(self, task, language):
        text, rubrics = written(language)[task]
        assert format_reward([text], **columns(task, rubrics, reference=text, language=language)) == [1.0]

    @pytest.mark.parametrize("task", ["categorize", "profile", "explain", "describe", "assess", "suggest", "detect"])
    def test_another_language_than_that_of_the_request_is_not_in_form(self, task):
        text, rubrics = written("fr")[task]
        assert format_reward([text], **columns(task, rubrics, reference=text, language="en")) == [0.5]

    @pytest.mark.parametrize("task", ["explain", "compare", "suggest", "assess"])
    def test_no_wording_of_ours_is_called_a_repetition(self, task):
        for seed in range(30):
            rng = random.Random(seed)
            kinds = tuple(Cause(kind) for kind in rng.sample(explain.KINDS, 3))
            scores = {name: rng.uniform(1, 5) for name in SCORES}
            marks = {name: rng.randint(1, 5) for name in assess.TITLES if name != "speech_rate"}
            verdicts = {name: rng.choice(["A", "B", "tie"]) for name in assess.TITLES}
            text = {
                "explain": explain.write(Explanation(scores, kinds), seed),
                "compare": compare.write(Comparison(verdicts), seed, form="dimensions"),
                "suggest": suggest.write(suggest.suggest_for(Assessment(marks), seed)),
                "assess": assess.write(Assessment(marks), seed),
            }[task]
            assert not repeats(text), text

    def test_readable_is_worth_half(self):
        assert format_reward(["I say 3.4."], **columns("score", ["mos"], reference="3.0")) == [0.5]

    def test_a_rubric_left_out_is_no_form(self):
        text = profile.write({"mos": 3.0})
        assert format_reward([text], **columns("profile", ["mos", "noisiness"], reference=text)) == [0.0]

    def test_loses_slowly_with_length(self):
        reference = " ".join(f"word{index}" for index in range(30))
        texts = [f"{' '.join(f'word{index}.' for index in range(number))} So MOS 3.0." for number in (50, 80, 117, 140)]
        rewards = format_reward(texts, **columns("describe", ["mos"], 4, reference=reference))
        assert rewards[0] > rewards[1] > rewards[2] >= rewards[3] == 0

    def test_short_requests_may_be_echoed_in_part(self):
        assert not copies("The noise is strong.", "Rate the noise.")
        assert copies("Rate the noise now, you said.", "Rate the noise now.")


class StubEvaluator:
    cut_off = 0

    def __init__(self, grade):
        self.value, self.cases = grade, []

    def grade(self, cases):
        self.cases += cases
        return [
            None
            if self.value is None
            else dict(zip(("helpfulness", "relevance", "accuracy", "detail"), self.value, strict=True))
            for _ in cases
        ]


class TestEvaluatorReward:
    def test_weighted_mean(self):
        reward = EvaluatorReward(StubEvaluator([0.5, 1.0, 1.0, 0.0]))
        assert reward(["It is noisy."], **columns("describe", truth="noisy")) == [pytest.approx(3.5 / 4.5)]

    def test_failed_grade_is_none_and_counted(self):
        logged = {}
        reward = EvaluatorReward(StubEvaluator(None))
        found = reward(
            ["It is noisy."], **columns("describe"), log_metric=logged.__setitem__, log_extra=logged.__setitem__
        )
        assert found == [None]
        assert logged["evaluator/failed"] == 1
        assert logged["evaluator/accuracy"] == [None]

    def test_detect_is_not_asked(self):
        evaluator = StubEvaluator([1.0] * 4)
        rows = columns("detect", (), 2) | {"task": ["detect", "compare"]}
        assert EvaluatorReward(evaluator)(["fake", "[SpeechA]"], **rows) == [None, 1.0]
        assert evaluator.cases == [Case("comparison", REQUEST, "[SpeechA]", "")]

    def test_own_weights(self):
        reward = EvaluatorReward(StubEvaluator([0.0, 0.0, 1.0, 0.0]), {"accuracy": 1.0})
        assert reward(["x"], **columns("suggest")) == [1.0]


class TestRecipe:
    @pytest.mark.parametrize(
        "texts", [["agreement=0"], ["agreement=x"], ["fame"], [], ["format", "format=2"], ["format=nan"]]
    )
    def test_unusable_ones_are_errors(self, texts):
        with pytest.raises(ValueError, match="reward"):
            read_weights(texts)

    def test_evaluator_comes_with_its_reward(self):
        with pytest.raises(ValueError, match="given together"):
            make_rewards(["evaluator=1"])
        with pytest.raises(ValueError, match="given together"):
            make_rewards(["format=1"], StubEvaluator(None))
        functions, weights = make_rewards(["evaluator=2", "format"], StubEvaluator(None))
        assert [function.__name__ for function in functions] == ["evaluator_reward", "format_reward"]
        assert weights == [2.0, 1.0]
