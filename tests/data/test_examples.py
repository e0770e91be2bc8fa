import itertools
import json
import random

import numpy as np
import pytest

from audio_judge.audio import Audio
from audio_judge.clips import Cause, RatedClip, Rating
from audio_judge.data.examples import facts_of, stated, text_examples, with_facts
from audio_judge.data.files import read_example, to_dataset
from audio_judge.data.instructions import Manner, make_instructions
from audio_judge.languages import wordings
from audio_judge.messages import audio_blocks, clip_state, text_messages
from audio_judge.rubrics.rubric import RUBRICS
from audio_judge.rubrics.shares import level_shares
from audio_judge.tasks import RUBRIC_TASKS, Facts, categorize, explain, profile, score

VALUES = {"mos": 2.4, "noisiness": 1.8, "coloration": 4.1, "discontinuity": 3.3, "loudness": 4.9}


def rated(number=1, reference="clean.wav", **values):
    ratings = {name: Rating(value, std=0.7) for name, value in (values or VALUES).items()}
    causes = (Cause("noise", {"snr_db": 5.0}), Cause("packet_loss", {"loss_rate": 0.2}))
    return [
        RatedClip(f"clip{i}.wav", ratings, "train", "test", reference=reference, causes=causes) for i in range(number)
    ]


def made(tasks, clips=None, seed=0, variants=1, **manner):
    clips = rated() if clips is None else clips
    return list(make_instructions(clips, tasks, seed=seed, variants=variants, manner=Manner(**manner)))


class TestClipState:
    def test_single_clip_is_one_audio_block(self):
        assert clip_state("a.wav") == [{"type": "audio", "path": "a.wav", "role": "degraded"}]

    def test_roles_are_spelled_out_before_each_clip(self):
        texts = [block.get("text", block.get("role")) for block in clip_state("a.wav", "b.wav")]
        assert texts == ["Degraded clip: ", "degraded", "\nReference clip: ", "reference"]

    def test_arrays_bring_their_rate(self):
        audio = Audio(np.zeros(4, np.float32), 16_000, "x")
        first, second = (block for block in clip_state(audio, np.ones(3)) if block["type"] == "audio")
        assert first["sampling_rate"] == 16_000
        assert "sampling_rate" not in second
        assert len(second["audio"]) == 3

    def test_request_comes_after_the_clips(self):
        content = text_messages(clip_state("a.wav"), "How noisy?")[0]["content"]
        assert [block["type"] for block in content] == ["audio", "text"]


class TestFaultQuestions:
    def asked(self, **options):
        clips = [
            RatedClip(c.path, c.ratings, "train", "x", causes=c.causes, extra={"content": "speech"}) for c in rated(40)
        ]
        return made(["decide"], clips, **options)

    def test_training_asks_about_known_faults_too(self):
        targets = [example["targets"]["noise"] for example in self.asked() if "noise" in example["questions"]]
        assert targets
        assert all(shares[0] > 0.5 for shares in targets)

    def test_training_may_ask_for_ratings_only(self):
        examples = self.asked(fault_questions="none")
        assert len(examples) == 40
        assert all(set(example["questions"]) <= set(RUBRICS) for example in examples)

    def test_training_may_ask_for_all_ratings(self):
        asked = [set(example["questions"]) for example in self.asked(rubric_questions="all", fault_questions="none")]
        assert asked == [set(clip.ratings) for clip in rated(40)]

    def test_evaluation_asks_for_ratings_only(self):
        assert all(set(example["questions"]) <= set(RUBRICS) for example in self.asked(all_rubrics=True))


class TestClipExamples:
    def test_same_seed_same_examples(self):
        tasks = {"decide": 1, **dict.fromkeys(RUBRIC_TASKS, 1)}
        assert made(tasks, rated(20), with_reference="sometimes") == made(tasks, rated(20), with_reference="sometimes")
        assert made(tasks, rated(20)) != made(tasks, rated(20), seed=1)

    def test_an_example_does_not_depend_on_the_variants_asked_for(self):
        assert made(["decide"], rated(3), variants=2)[::2] == made(["decide"], rated(3))

    def test_examples_are_plain_json(self):
        for example in made(["decide", *RUBRIC_TASKS], rated(30)):
            assert json.loads(json.dumps(example)) == example

    def test_weights_choose_the_task(self):
        tasks = [example["task"] for example in made({"decide": 3, "explain": 1, "score": 0}, rated(400))]
        assert set(tasks) == {"decide", "explain"}
        assert 0.65 < tasks.count("decide") / 400 < 0.85

    def test_variants_of_a_clip_differ(self):
        examples = made(["decide"], variants=8)
        assert len({json.dumps(example["questions"]) for example in examples}) > 4
        assert len({example["seed"] for example in examples}) == 8

    def test_clips_without_ratings_are_left_out(self):
        assert made(["decide"], [RatedClip("a.wav", {}, "train", "test")]) == []


class TestReference:
    def test_always_leaves_out_clips_without_one(self):
        clips = rated(3) + rated(2, reference=None)
        assert all(len(audio_blocks(example)) == 2 for example in made(["decide"], clips, with_reference="always"))
        assert len(made(["decide"], clips, with_reference="always")) == 3

    def test_sometimes_is_about_half(self):
        examples = made(["decide"], rated(200), with_reference="sometimes")
        assert 70 < sum(len(audio_blocks(example)) == 2 for example in examples) < 130

    def test_sometimes_keeps_clips_without_one(self):
        assert len(made(["decide"], rated(5, reference=None), with_reference="sometimes")) == 5

    def test_request_in_words_tells_of_the_reference(self):
        for example in made(list(RUBRIC_TASKS), rated(10), with_reference="always"):
            assert "reference" in example["prompt"][0]["content"][-1]["text"]
            assert [block["role"] for block in audio_blocks(example)] == ["degraded", "reference"]


class TestDecide:
    def test_one_to_five_rubrics_in_random_order(self):
        asked = [tuple(example["questions"]) for example in made(["decide"], rated(300))]
        assert {len(names) for names in asked} == {1, 2, 3, 4, 5}
        assert len({names for names in asked if len(names) == 5}) > 20

    def test_unrated_rubric_is_not_asked(self):
        for example in made(["decide"], rated(30, mos=2.0, loudness=1.0)):
            assert set(example["questions"]) <= {"mos", "loudness"}

    def test_targets_are_the_shares_of_mean_and_std(self):
        example = made(["decide"], all_rubrics=True)[0]
        assert list(example["targets"]) == list(example["questions"]) == list(VALUES)
        for name, value in VALUES.items():
            assert example["targets"][name] == pytest.approx(level_shares(value, 0.7), abs=1e-6)

    def test_held_out_phrasings_are_those(self):
        texts = {
            made(["decide"], seed=seed, held_out=True)[0]["questions"].popitem()[1]["instructions"]
            for seed in range(60)
        }
        allowed = {RUBRICS[name].fill(text) for name in RUBRICS for text in wordings("decide")[1]}
        assert texts <= allowed
        trained = {made(["decide"], seed=seed)[0]["questions"].popitem()[1]["instructions"] for seed in range(60)}
        assert not trained & allowed


class TestTextTasks:
    def test_score_says_its_target(self):
        example = made(["score"])[0]
        name = example["target"]["rubric"]
        assert example["target"]["value"] == VALUES[name]
        assert score.parse(example["completion"][0]["content"], name, strict=True).value == VALUES[name]

    def test_categorize_names_the_level(self):
        answers = {example["completion"][0]["content"] for example in made(["categorize"], rated(60))}
        assert answers == {RUBRICS[name].level_of(value) for name, value in VALUES.items()}
        assert all(any(answer in categorize.grammar(name) for name in RUBRICS) for answer in answers)

    def test_profile_has_all_rated_rubrics(self):
        answer = made(["profile"], rated(1, mos=2.0, loudness=1.5))[0]["completion"][0]["content"]
        assert profile.parse(answer, strict=True) == {"mos": 2.0, "loudness": 1.5}

    def test_explanation_has_scores_and_causes(self):
        answer = made(["explain"])[0]["completion"][0]["content"]
        explanation = explain.parse(answer, strict=True)
        assert explanation.scores == VALUES
        assert explanation.kinds == {"noise", "packet_loss"}

    def test_explanations_of_one_clip_differ(self):
        assert len({example["completion"][0]["content"] for example in made(["explain"], variants=6)}) > 3

    def test_evaluation_asks_for_every_score(self):
        assert [example["target"]["rubric"] for example in made(["score"], all_rubrics=True)] == list(VALUES)


class TestFacts:
    def test_what_is_asked_is_what_the_answer_scores(self):
        (example,) = made(["profile"], rated(1, mos=2.0, loudness=1.5))
        assert example["rubrics"] == ["mos", "loudness"]
        assert facts_of(example).scores == {"mos": 2.0, "loudness": 1.5}

    def test_a_level_is_named_in_english(self):
        clip = rated(1, noisiness=2.0)[0]
        how = {"use_reference": False, "all_rubrics": True, "held_out": False, "change": None, "language": "fr"}
        (example,) = text_examples(clip, "categorize", random.Random(0), **how)
        assert example["completion"][0]["content"] == "bruité"
        assert facts_of(example).levels == {"noisiness": "noisy"}
        assert facts_of(example).values == {"noisiness": 2.0}

    def test_causes_are_known_or_not_looked_for(self):
        (explained,), (scored,) = made(["explain"]), made(["score"])
        assert list(facts_of(explained).causes) == ["noise", "packet_loss"]
        assert facts_of(scored).causes is None

    def test_times_are_those_that_the_answer_writes(self):
        facts = Facts({"distortion": 2.0}, distortions={"jitter": ((0.04, 1.57), (2.0, 2.04)), "artifacts": ()})
        assert facts_of(stated("assess", facts)).spans == {"jitter": [(0.0, 1.6)]}

    def test_an_augmented_question_names_the_rubric_it_was_made_of(self):
        (example,) = made(["score"], rated(1, mos=2.0), augment={"invert": 1.0})
        assert example["rubrics"] == ["mos"]

    def test_an_example_of_an_earlier_version_is_read(self):
        (example,) = made(["explain"])
        earlier = {name: example[name] for name in ("task", "prompt", "completion", "seed")}
        assert facts_of(with_facts(earlier)) == facts_of(example)

    def test_a_level_that_is_not_that_of_a_rating_tells_nothing(self):
        earlier = {
            "task": "categorize",
            "completion": [{"content": "fair"}],
            "scores": {"mos": 1.0},
        }
        with pytest.raises(ValueError, match="'fair' is a level of nothing that is rated"):
            with_facts(earlier)


class TestDataset:
    def test_round_trip(self):
        examples = made(["decide", "explain"], rated(20), with_reference="sometimes")
        assert [read_example(row) for row in to_dataset(examples)] == examples

    def test_one_column_of_text(self):
        dataset = to_dataset(made(["decide"]))
        assert dataset.column_names == ["example"]
        assert dataset.features["example"].dtype == "string"

    def test_an_example_passes_through(self):
        assert read_example({"task": "decide", "state": []}) == {"task": "decide", "state": []}


def test_making_an_example_does_not_touch_the_global_generator():
    random.seed(3)
    before = random.getstate()
    list(itertools.islice(make_instructions(rated(3), ["decide", "explain"], seed=0), 3))
    assert random.getstate() == before
