import json
from collections import Counter
from dataclasses import replace

import pytest

from audio_judge.clips import Cause, RatedClip, RatedPair, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.captions import read_captions
from audio_judge.data.instructions import (
    ALL_TASKS,
    DETECT_QUESTION,
    Instructor,
    Manner,
    check_weights,
    make_instructions,
)
from audio_judge.data.paraphrases import Paraphrase
from audio_judge.data.targets import (
    assessment_of,
    comparison_of,
    description_of,
    distortions_of,
    listener_of,
    suggestions_of,
)
from audio_judge.languages import wordings
from audio_judge.messages import audio_blocks
from audio_judge.tasks import assess, compare, describe, detect, listeners, rate, suggest
from audio_judge.tasks.common import LackingError


def clip(name="a", corpus="NISQA", extra=None, **ratings):
    rated = {rubric: Rating(float(value), 0.5, 8) for rubric, value in ratings.items()}
    return RatedClip(f"{name}.wav", rated, "train", corpus, f"{name}_clean.wav", extra=extra or {})


def nisqa_clip(name="a", mos=3.0, noisiness=2.0):
    return clip(name, mos=mos, noisiness=noisiness, coloration=3.0, discontinuity=4.0, loudness=3.0)


def speecheval_clip(name="a", mos=2, **extra):
    facts = {"distortion_types": ["artifacts"], "distortion_spans": [[0, 1.5]], "emotion": "neutral"}
    facts |= {"speaker_gender": "male", "speaker_age": "young", "speech_rate_word": "slow"} | extra
    scores = {"intelligibility": 3, "distortion": 2, "speech_rate": 1, "emotional_impact": 4}
    return clip(name, "SpeechEval", facts, mos=mos, subjective_experience=3, **scores)


def make(items, tasks, **manner):
    return list(make_instructions(items, tasks, seed=1, manner=Manner(**manner)))


def answer(example):
    return example["completion"][0]["content"]


def request(example):
    return "".join(block.get("text", "<audio>") for block in example["prompt"][0]["content"])


class TestMakeInstructions:
    @pytest.mark.parametrize("task", ALL_TASKS)
    def test_every_task_makes_examples_of_a_clip_that_has_everything(self, task):
        clips = [speecheval_clip(f"{k}", mos=1 + k, label="fake") for k in range(3)]
        examples = make(clips, [task])
        assert examples
        assert {example["task"] for example in examples} == {task}
        assert all(json.loads(json.dumps(example)) == example for example in examples)

    def test_same_arguments_make_the_same_examples(self):
        clips = [nisqa_clip(f"{k}", mos=1 + k) for k in range(4)]
        tasks = {"describe": 1, "compare": 1, "rate": 2, "score": 1}
        assert make(clips, tasks, listener=0.5) == make(clips, tasks, listener=0.5)

    def test_another_seed_makes_others(self):
        clips = [nisqa_clip(f"{k}") for k in range(4)]
        tasks = ["describe", "rate"]
        assert list(make_instructions(clips, tasks, seed=1)) != list(make_instructions(clips, tasks, seed=2))

    def test_variants_are_worded_differently(self):
        examples = make_instructions([nisqa_clip()], ["describe"], seed=0, variants=12)
        assert len({request(example) for example in examples}) > 3

    def test_facts_name_corpus_and_ratings(self):
        (example,) = make([clip(mos=3, loudness=2)], ["describe"])
        assert example["corpus"] == "NISQA"
        assert example["scores"] == {"mos": 3.0, "loudness": 2.0}

    def test_tasks_are_drawn_only_among_those_an_item_can_serve(self):
        lacking = Counter()
        fake = clip("f", "SpeechEval", {"label": "fake"})
        examples = list(make_instructions([nisqa_clip(), fake] * 5, ["score", "detect"], seed=0, lacking=lacking))
        assert Counter(example["task"] for example in examples) == {"score": 5, "detect": 5}
        assert lacking == {("score", "no ratings"): 5, ("detect", "no label real or fake"): 5}

    def test_items_that_serve_no_task_are_counted(self):
        instructor = Instructor(["detect"], 0)
        assert list(instructor.examples(nisqa_clip(), 0)) == []
        assert instructor.left_out == 1

    def test_a_task_without_weight_counts_nothing(self):
        instructor = Instructor({"score": 1, "detect": 0}, 0)
        list(instructor.examples(nisqa_clip(), 0))
        assert not instructor.lacking

    def test_rating_off_the_scale_is_counted(self):
        lacking = Counter()
        assert not list(make_instructions([clip(mos=75)], ["score", "describe"], seed=0, lacking=lacking))
        assert set(lacking.values()) == {1}
        assert all("off the scale 1-5" in reason for _, reason in lacking)

    def test_always_with_reference_needs_one(self):
        lacking = Counter()
        alone = RatedClip("a.wav", {"mos": Rating(3.0)}, "train", "x")
        manner = Manner(with_reference="always")
        assert not list(make_instructions([alone], ["describe"], seed=0, manner=manner, lacking=lacking))
        assert lacking == {("describe", "no reference"): 1}

    def test_reference_is_heard(self):
        (example,) = make([nisqa_clip()], ["describe"], with_reference="always")
        assert [block["role"] for block in audio_blocks(example)] == ["degraded", "reference"]

    def test_held_out_requests_are_not_those_of_training(self):
        (example,) = make([nisqa_clip()], ["describe"], held_out=True)
        assert request(example).rpartition("\n")[2] in wordings("describe")[1]

    def test_augmentation_of_rubric_tasks_is_kept_with_the_example(self):
        examples = make([nisqa_clip(f"{k}") for k in range(5)], ["score"], augment={"invert": 1.0})
        assert all(example["provenance"][0]["kind"] == "invert" for example in examples)


class TestManner:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"augment": {"scale": 1.0}, "held_out": True},
            {"augment": {"louder": 1.0}},
            {"listener": 2.0},
            {"partners": 0},
            {"with_reference": "now"},
            {"unseen_scales": ["1-7"]},
            {"fault_questions": "many"},
            {"rubric_questions": "none"},
        ],
    )
    def test_refuses(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Manner(**wrong)


class TestUnseen:
    """What is kept out of training, so that a judge can be asked later what it never learned."""

    @pytest.mark.parametrize("task", ["rate", "score", "categorize", "decide"])
    def test_rubrics_are_not_asked_about(self, task):
        clips = [nisqa_clip(str(number)) for number in range(40)]
        said = [
            json.dumps({**example, "scores": None}) for example in make(clips, [task], unseen_rubrics=["coloration"])
        ]
        assert len(said) == 40
        assert not any(word in text for text in said for word in ("color", "colour", "timbre"))
        assert any("loud" in text for text in said)

    def test_clip_with_nothing_else_is_left_out(self):
        assert make([clip(mos=3)], ["score"], unseen_rubrics=["mos"]) == []

    def test_unknown_rubric(self):
        with pytest.raises(ValueError, match="sparkle"):
            Manner(unseen_rubrics=["sparkle"])

    def test_scales_are_not_drawn(self):
        def tops(**options):
            clips = [nisqa_clip(str(number)) for number in range(40)]
            examples = make(clips, ["rate"], augment={"scale": 1.0}, **options)
            return {one["provenance"][0]["to"][1] for one in examples if one.get("provenance")}

        assert tops() == {10.0, 100.0}
        assert tops(unseen_scales=["1-10"]) == {100.0}
        assert tops(unseen_scales=["1-10", "0-100"]) == set()


class TestCheckWeights:
    @pytest.mark.parametrize("wrong", [[], ["sing"], {"score": 0}, {"score": -1}])
    def test_refuses(self, wrong):
        with pytest.raises(ValueError, match="task"):
            check_weights(wrong)


class TestDescribe:
    def test_ends_in_the_rating(self):
        (example,) = make([nisqa_clip(mos=3.4)], ["describe"])
        assert describe.parse(answer(example), strict=True).mos == 3.4

    def test_words_of_listeners_come_first(self):
        own = clip(mos=3, extra={"description": "A dull voice."})
        assert description_of(own).text == "A dull voice."

    def test_words_that_are_no_sentence_are_not_taken(self):
        assert description_of(clip(mos=3, extra={"description": "dull"})).text.endswith("fair.")

    def test_needs_an_overall_rating(self):
        with pytest.raises(LackingError, match="overall"):
            description_of(clip(loudness=3))


class TestAssess:
    def test_holds_all_facts(self):
        target = assess.parse(answer(make([speecheval_clip()], ["assess"])[0]), strict=True)
        assert target.scores["distortion"] == 2
        assert target.speech_rate == "slow"
        assert target.distortions == (assess.Distortion("artifacts", ((0.0, 1.5),)),)
        assert (target.gender, target.age, target.emotion) == ("male", "young", "neutral")

    def test_takes_the_published_summary(self):
        assert assessment_of(speecheval_clip(description="It is flat.")).answer == "It is flat."

    def test_rate_from_a_number(self):
        own = clip(intelligibility=3, speech_rate=4)
        assert assessment_of(own).speech_rate == "slightly fast"

    def test_needs_speecheval_dimensions(self):
        with pytest.raises(LackingError, match="dimensions"):
            assessment_of(nisqa_clip())

    def test_spans_of_several_types_belong_to_none(self):
        several = speecheval_clip(distortion_types=["artifacts", "jitter"])
        assert [one.spans for one in distortions_of(several)] == [(), ()]


class TestSuggest:
    def test_published_ones(self):
        own = clip(extra={"suggestions": ["1. Speak slower.", "- Pause more."], "improvement_areas": ["speech rate"]})
        target = suggest.parse(answer(make([own], ["suggest"])[0]), strict=True)
        assert target == suggest.Suggestions(("speech rate",), ("Speak slower.", "Pause more."))

    def test_from_ratings(self):
        assert "distortion" in suggestions_of(speecheval_clip()).areas

    def test_needs_one_of_both(self):
        with pytest.raises(LackingError, match="no suggestions"):
            suggestions_of(nisqa_clip())


class TestDetect:
    @pytest.mark.parametrize("label", ["real", "fake"])
    def test_text(self, label):
        (example,) = make([clip(extra={"label": label})], ["detect"])
        assert detect.parse(answer(example), strict=True).is_fake == (label == "fake")

    @pytest.mark.parametrize(("label", "shares"), [("real", [0.0, 1.0]), ("fake", [1.0, 0.0])])
    def test_question(self, label, shares):
        (example,) = make([clip(extra={"label": label})], [DETECT_QUESTION])
        assert example["targets"] == {"fake": shares}
        assert example["questions"]["fake"]["type"] == "noul"

    def test_needs_a_label(self):
        with pytest.raises(LackingError, match="label"):
            detect.target_of(nisqa_clip())


class TestRate:
    def test_audio_stands_at_start_middle_and_end(self):
        examples = make([nisqa_clip(f"{k}") for k in range(30)], ["rate"])
        places = {tuple(block["type"] for block in example["prompt"][0]["content"]) for example in examples}
        assert places == {("audio", "text"), ("text", "audio", "text"), ("text", "audio")}

    def test_another_scale_is_asked_and_answered(self):
        for example in make([clip(f"{k}", mos=4) for k in range(10)], ["rate"], augment={"scale": 1.0}):
            step = example["provenance"][0]
            low, high = step["to"]
            assert float(answer(example)) == pytest.approx(low + 0.75 * (high - low), abs=0.006)
            assert all(f"{end:g}" in request(example) for end in (low, high))

    def test_a_threshold_is_asked_and_answered(self):
        for example in make([clip(f"{k}", mos=4) for k in range(10)], ["rate"], augment={"binary": 1.0}):
            reached = example["provenance"][0]["threshold"] <= 4
            assert answer(example) == f"{float(reached):.2f}"
            assert "Answer 1 for yes and 0 for no." in request(example)

    def test_paraphrases_spell_out_the_scale(self):
        wording = Paraphrase("How about the {label}?", "casual")
        clips = [clip(f"{k}", mos=4) for k in range(60)]
        examples = make(clips, ["rate"], augment={"paraphrase": 1.0}, paraphrases=(wording,))
        assert any("How about the overall quality?" in request(example) for example in examples)
        assert all("from 1 to 5: 1 means bad and 5 means excellent." in request(example) for example in examples)

    def test_all_rubrics_for_evaluation(self):
        examples = make([nisqa_clip()], ["rate"], all_rubrics=True)
        assert [example["target"]["rubric"] for example in examples] == list(nisqa_clip().ratings)

    def test_proxy_rubric(self):
        (example,) = make([clip(child_voice=0.5)], ["rate"])
        assert rate.parse(answer(example), "child_voice", strict=True).value == 0.5


class TestRaters:
    """Clips with the ratings of some raters alone."""

    CLIP = replace(nisqa_clip(), listener="strict")

    @pytest.mark.parametrize("task", ["score", "profile", "rate", "describe"])
    def test_requests_in_text_name_them(self, task):
        for example in make([self.CLIP] * 5, [task]):
            asked = request(example).replace("<audio>", "").strip()
            assert listeners.parse(" ".join(asked.split("\n")), strict=True).listener == "strict"
            assert example["listener"] == "strict"

    def test_typed_questions_name_them(self):
        for example in make([self.CLIP] * 5, ["decide"]):
            asked = [one["instructions"] for one in example["questions"].values() if one["type"] == "score"]
            assert asked
            assert {listeners.parse(text, strict=True).listener for text in asked} == {"strict"}

    def test_questions_about_all_raters_name_nobody(self):
        for example in make([nisqa_clip()] * 5, ["decide"], listener=1.0):
            assert "listener" not in example

    def test_they_are_compared_with_nobody(self):
        assert not make([nisqa_clip("a"), replace(nisqa_clip("b"), listener="strict"), self.CLIP], ["compare"])


class TestCompare:
    def test_a_clip_and_itself_begun_a_little_later_are_a_tie(self):
        clips = [nisqa_clip(f"{k}", mos=1 + k) for k in range(4)]
        examples = make(clips, ["compare_question"], nearly_same=1.0, both_orders=False)
        assert examples
        for example in examples:
            blocks = [block for block in example["state"] if block["type"] == "audio"]
            begun = sorted(block.get("start_time", 0.0) for block in blocks)
            assert blocks[0]["path"] == blocks[1]["path"]
            assert (begun[0], 0.005 <= begun[1] <= 0.04) == (0.0, True)
            assert set(map(tuple, example["targets"].values())) == {(0.0, 0.0, 1.0)}
        assert {example["task"] for example in make(clips, ["compare"], nearly_same=1.0)} == {"compare"}

    def test_clips_have_their_roles(self):
        example = make([nisqa_clip("a", 4), nisqa_clip("b", 2)], ["compare"])[0]
        assert [block["role"] for block in audio_blocks(example)] == ["A", "B"]
        assert request(example).startswith("Clip A: <audio>\nClip B: <audio>\n")

    def test_both_orders_say_the_same(self):
        first, second = make([nisqa_clip("a", 4), nisqa_clip("b", 2)], ["compare"])
        assert [audio_blocks(first)[k]["path"] for k in (0, 1)] == ["a.wav", "b.wav"]
        assert compare.parse(answer(first)).preferred == "A"
        assert compare.parse(answer(second)).preferred == "B"

    def test_one_order(self):
        assert len(make([nisqa_clip("a", 4), nisqa_clip("b", 2)], ["compare"], both_orders=False)) == 1

    def test_first_clip_has_nobody_to_be_compared_with(self):
        lacking = Counter()
        clips = [nisqa_clip("a"), nisqa_clip("a"), clip("b", "BVCC", mos=2)]
        assert not list(make_instructions(clips, ["compare"], seed=0, lacking=lacking))
        assert lacking["compare", "no earlier clip of its corpus to compare with"] == 3

    def test_unrated_clips_are_no_partners(self):
        strange = replace(nisqa_clip("b"), ratings={"mos": Rating(3.0), "hiss": Rating(2.0)})
        examples = make([clip("a"), strange, nisqa_clip("c", 4), clip("d"), nisqa_clip("e", 2)], ["compare"])
        assert {block["path"] for one in examples for block in audio_blocks(one)} == {"c.wav", "e.wav"}

    def test_only_so_many_earlier_clips_are_kept(self):
        examples = make([nisqa_clip(f"{k}", 1 + k / 10) for k in range(20)], ["compare"], partners=1)
        for example in examples[::2]:
            first, second = (int(block["path"].removesuffix(".wav")) for block in audio_blocks(example))
            assert second - first == 1

    def test_both_forms_of_speecheval(self):
        clips = [speecheval_clip(f"{k}", 1 + k % 4) for k in range(20)]
        examples = make(clips, ["compare"])
        assert {example["form"] for example in examples} == {"preference", "dimensions"}
        for example in examples:
            if example["form"] == "dimensions":
                assert compare.parse(answer(example), strict=True).verdicts == example["verdicts"]

    def test_one_form_only(self):
        clips = [speecheval_clip(f"{k}", 1 + k % 4) for k in range(20)]
        examples = make(clips, ["compare"], comparison_form="dimensions")
        assert len(examples) > 30
        assert {example["form"] for example in examples} == {"dimensions"}

    @pytest.mark.parametrize("task", ["assess", "suggest", "compare"])
    def test_answers_without_a_thought_say_the_same(self, task):
        clips = [speecheval_clip(f"{k}", 1 + k % 4) for k in range(6)]
        thinking, alone = (
            make(clips, [task], comparison_form=form, thoughts=thoughts)
            for form in ["dimensions" if task == "compare" else "any"]
            for thoughts in (True, False)
        )
        assert [answer(one).partition("<answer>\n")[2].removesuffix("\n</answer>") for one in thinking] == [
            answer(one) for one in alone
        ]
        assert [one.get("thinks") for one in (*thinking, *alone)] == [None] * len(thinking) + [False] * len(alone)
        assert [one | {"completion": 0, "thinks": 0} for one in thinking] == [
            one | {"completion": 0, "thinks": 0} for one in alone
        ]

    def test_the_empty_thought_of_detect_stays(self):
        clips = [replace(clip("a"), extra={"label": "fake"})]
        assert "<think>" in answer(make(clips, ["detect"], thoughts=False)[0])

    def test_dimensions_that_are_wanted_pass_over_what_is_none(self):
        clips = [speecheval_clip(f"{k}", 1 + k % 4) for k in range(6)]
        clips = [replace(one, ratings=one.ratings | {"naturalness": Rating(2.0)}) for one in clips]
        examples = make(clips, ["compare"], comparison_form="dimensions")
        assert len(examples) == 10
        assert all("naturalness" not in example["verdicts"] for example in examples)

    def test_a_form_that_does_not_fit_is_counted(self):
        lacking, manner = Counter(), Manner(comparison_form="dimensions")
        items = [RatedPair(clip("a"), clip("b"), {"mos": "A"}), *(nisqa_clip(f"{k}", 1 + k) for k in range(2))]
        assert not list(make_instructions(items, ["compare"], seed=0, manner=manner, lacking=lacking))
        assert lacking["compare", "verdicts that the form of comparison cannot hold"] == 2

    def test_naturalness_alone_is_the_preference(self):
        pair = RatedPair(clip("a"), clip("b"), {"naturalness": "B"})
        assert comparison_of(pair).verdicts == {"mos": "B", "naturalness": "B"}
        example = make([pair], ["compare"])[0]
        assert "naturalness" in request(example)
        assert compare.parse(answer(example), ["naturalness"], strict=True).preferred == "B"

    def test_tie(self):
        pair = RatedPair(clip("a"), clip("b"), {"naturalness": "tie"})
        assert all(answer(example).endswith("[Tie]") for example in make([pair], ["compare"]))

    def test_summary_fits_one_order_only(self):
        pair = RatedPair(clip("a"), clip("b"), {"mos": "A", "distortion": "A"}, {"description": "A has less hiss."})
        examples = [make_ for seed in range(9) for make_ in make_instructions([pair], ["compare"], seed=seed)]
        with_words = [audio_blocks(one)[0]["path"] for one in examples if "less hiss" in answer(one)]
        assert set(with_words) == {"a.wav"}

    def test_pairs_serve_no_other_task(self):
        lacking = Counter()
        pair = RatedPair(clip("a"), clip("b"), {})
        list(make_instructions([pair], ["score", "compare"], seed=0, lacking=lacking))
        assert set(lacking) == {
            ("score", "a pair, which is for compare and compare_question only"),
            ("compare", "a pair without a preference overall or for naturalness"),
        }


class TestListenerOf:
    def test_own_profile_before_the_corpus(self):
        assert listener_of(clip(extra={"listener": "elderly"})) == "elderly"

    def test_unknown_corpus(self):
        assert listener_of(clip(corpus="mine")) is None

    @pytest.mark.parametrize("task", ["score", "describe", "rate", "compare"])
    def test_request_names_it(self, task):
        for example in make([nisqa_clip("a"), nisqa_clip("b", 4)], [task], listener=1.0):
            assert example["listener"] == "nisqa"
            assert any(view in request(example) for view in listeners.LISTENERS["nisqa"].views)

    def test_target_of_decisions_has_none(self):
        assert "listener" not in make([nisqa_clip()], ["decide"], listener=1.0)[0]


class TestReadCaptions:
    def write(self, tmp_path, *rows):
        path = tmp_path / "captions.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def test_descriptions_and_comparisons_are_learned_as_written(self, tmp_path):
        rows = [
            {"task": "describe", "audio": ["a.wav"], "text": "Dull. MOS 2.1.", "truth": 2.1},
            {"task": "compare", "audio": ["a.wav", "b.wav"], "text": "Hiss in A. [SpeechB]", "truth": {"mos": "B"}},
        ]
        examples = make(read_captions(self.write(tmp_path, *rows)), ["describe", "compare"])
        assert answer(examples[0]) == "Dull. MOS 2.1."
        assert answer(examples[1]) == "Hiss in A. [SpeechB]"
        assert answer(examples[2]) != answer(examples[1])

    def test_wrong_row(self, tmp_path):
        path = self.write(tmp_path, {"task": "describe", "audio": ["a.wav"], "text": "x", "truth": None})
        with pytest.raises(CorpusError, match="line 1"):
            list(read_captions(path))


def test_causes_reach_explanations():
    ratings = {"mos": Rating(2.0), "noisiness": Rating(1.0)}
    noisy = RatedClip("a.wav", ratings, "train", "x", causes=(Cause("noise", {}),))
    assert "noise" in answer(make([noisy], ["explain"])[0]).partition("\n\n")[2]


def test_unreadable_suggestions_are_lacking():
    with pytest.raises(LackingError, match="one per line"):
        suggestions_of(clip(extra={"suggestions": ["…"]}))
