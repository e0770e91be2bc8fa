import numpy as np
import pytest
import soundfile
import torch
from native_models import qwen2_audio
from tiny import ENCODERS, tone

from audio_judge.audio import AudioError, read_audio
from audio_judge.clips import RatedClip, Rating
from audio_judge.data.files import to_dataset
from audio_judge.data.instructions import Manner, make_instructions
from audio_judge.messages import clip_state, pair_state
from audio_judge.rubrics.rubric import get_rubric
from audio_judge.tasks import Assessment, Distortion, assess
from audio_judge.training.collate import IGNORED, JudgeCollator, NativeCollator, rubric_level

RATE = 48_000
RATINGS = {"mos": Rating(2.4, 0.6), "noisiness": Rating(4.2), "loudness": Rating(3.0, 1.0)}


@pytest.fixture(scope="module")
def wavs(tmp_path_factory):
    """Three clips of different lengths, at 48 kHz."""
    folder = tmp_path_factory.mktemp("clips")
    for name, seconds in (("a", 0.5), ("b", 0.8), ("c", 1.1)):
        soundfile.write(folder / f"{name}.wav", tone(seconds, 200 + 1000 * seconds), RATE, subtype="FLOAT")
    return folder


@pytest.fixture
def processor(judge):
    return judge()[1]


def text_example(content, answer="3.4", **more):
    prompt = [{"role": "user", "content": content}]
    return {"prompt": prompt, "completion": [{"role": "assistant", "content": answer}]} | more


def audio(wavs, name, role="degraded"):
    return {"type": "audio", "path": str(wavs / f"{name}.wav"), "role": role}


def words(text):
    return {"type": "text", "text": text}


def decisions(wavs, number=2, variants=1, **manner):
    clips = [
        RatedClip(str(wavs / f"{'abc'[i]}.wav"), RATINGS, "train", "test", reference=str(wavs / f"{'abc'[i]}.wav"))
        for i in range(number)
    ]
    return list(make_instructions(clips, ["decide"], seed=5, variants=variants, manner=Manner(**manner)))


def learned(processor, batch, row):
    return processor.tokenizer.decode(batch["labels"][row][batch["labels"][row] != IGNORED])


class TestEvaluatedRubrics:
    def test_comparison_in_a_rubric_is_no_score_of_it(self, processor, wavs):
        question = {"type": "choice", "instructions": "Which?", "criteria": {"A": None, "B": None, "tie": None}}
        state = pair_state(wavs / "a.wav", wavs / "b.wav")
        row = {"task": "x", "state": state, "questions": {"mos": question}, "targets": {"mos": [0.0, 1.0, 0.0]}}
        batch = JudgeCollator(processor)([row])
        assert batch["columns"].tolist() == [-1]
        assert batch["targets"].isnan().all()


class TestLabels:
    @pytest.mark.parametrize("place", ["first", "middle", "last", "twice", "none of the text"])
    def test_only_answer_and_end_of_turn_wherever_the_audio_is(self, processor, wavs, place):
        clip, other = audio(wavs, "a"), audio(wavs, "b")
        content = {
            "first": [clip, words("Rate it.")],
            "middle": [words("Rate this: "), clip, words(" from 1 to 5.")],
            "last": [words("Rate this: "), clip],
            "twice": [words("A: "), clip, words(" B: "), other, words("?")],
            "none of the text": [clip],
        }[place]
        batch = JudgeCollator(processor)([text_example(content)])
        assert learned(processor, batch, 0) == "3.4<|im_end|>"

    def test_a_system_message_is_not_learned(self, processor, wavs):
        example = text_example([audio(wavs, "a"), words("?")], "noisy")
        example["prompt"].insert(0, {"role": "system", "content": "Rate audio."})
        assert learned(processor, JudgeCollator(processor)([example]), 0) == "noisy<|im_end|>"

    def test_earlier_answers_are_not_learned(self, processor, wavs):
        example = text_example([audio(wavs, "a"), words("?")], "good")
        example["prompt"] += [{"role": "assistant", "content": "poor"}, {"role": "user", "content": "Sure?"}]
        assert learned(processor, JudgeCollator(processor)([example]), 0) == "good<|im_end|>"

    def test_ids_are_those_of_the_chat_template(self, processor, wavs):
        """One placeholder per clip, expanded after tokenising, gives what the processor gives."""
        example = text_example(
            [words("A: "), audio(wavs, "a"), words(" B: "), audio(wavs, "c"), words("?")], "B is noisy."
        )
        batch = JudgeCollator(processor)([example])
        samples = iter([tone(0.5, 700), tone(1.1, 1300)])
        messages = [
            {"role": m["role"], "content": [words("A: "), {"type": "audio", "audio": next(samples)}, words(" B: "),
             {"type": "audio", "audio": next(samples)}, words("?")]}
            for m in example["prompt"]
        ] + example["completion"]  # fmt: skip
        expected = processor.apply_chat_template(messages, tokenize=True, return_dict=True, return_tensors="pt")
        assert torch.equal(batch["input_ids"], expected["input_ids"])
        assert torch.equal(batch["input_features"], expected["input_features"])

    def test_rows_are_padded_on_the_right(self, processor, wavs):
        examples = [text_example([audio(wavs, "a")], "1"), text_example([audio(wavs, "b")], "much longer words")]
        batch = JudgeCollator(processor)(examples)
        length = int(batch["attention_mask"][0].sum())
        assert batch["attention_mask"][0, :length].all()
        assert (batch["input_ids"][0, length:] == processor.tokenizer.pad_token_id).all()
        assert (batch["labels"][0, length:] == IGNORED).all()
        assert length < batch["input_ids"].shape[1]

    @pytest.mark.parametrize("make", ["judge", "native"])
    def test_dimensions_of_a_thought_have_their_weights(self, processor, wavs, make):
        """What follows the title of a dimension, notes included; the summary may name it as often as it likes."""
        answer = assess.write(
            Assessment({"mos": 2, "distortion": 1.5}, "fast", (Distortion("jitter"),), answer="Overall Quality: bad.")
        )
        example = text_example([words("Rate it: "), audio(wavs, "a")], answer)
        weights = {"mos": 3.0, "distortion": 0.5}
        if make == "native":
            processor = qwen2_audio()[1]
            batch = NativeCollator(processor, dimension_weights=weights)([example])
        else:
            batch = JudgeCollator(processor, dimension_weights=weights)([example])
        texts = {3.0: "", 0.5: "", 1.0: ""}
        for token, weight in zip(batch["labels"][0].tolist(), batch["loss_weights"][0].tolist(), strict=True):
            if token != IGNORED:
                texts[weight] += processor.tokenizer.decode([token])
        assert texts[3.0].strip() == "2/5"
        assert texts[0.5].strip() == "1.5/5 (jitter)"
        assert texts[1.0].endswith("</think>\n\n<answer>\nOverall Quality: bad.\n</answer><|im_end|>")
        assert "Overall Quality:\nDistortion:\nSpeech Rate: fast\n" in texts[1.0]

    def test_weight_of_zero_is_not_learned(self, processor, wavs):
        answer = assess.write(Assessment({"mos": 2}, answer="Bad."))
        batch = JudgeCollator(processor, dimension_weights={"mos": 0.0})([text_example([audio(wavs, "a")], answer)])
        assert "Overall Quality:\n</think>" in learned(processor, batch, 0)

    def test_text_that_looks_like_a_placeholder_is_an_error(self, processor, wavs):
        with pytest.raises(ValueError, match="2 placeholders for 1 clips"):
            JudgeCollator(processor)([text_example([audio(wavs, "a"), words("<|audio|>")])])


class TestDecisions:
    @pytest.mark.parametrize("with_reference", ["never", "always"])
    def test_prompt_and_marks_are_those_of_use(self, processor, wavs, with_reference):
        examples = decisions(wavs, variants=2, with_reference=with_reference)
        batch = JudgeCollator(processor)(examples)
        requests = []
        for example in examples:
            paths = [block["path"] for block in example["state"] if block["type"] == "audio"]
            requests.append(
                {"state": clip_state(*(read_audio(path).samples for path in paths)), "questions": example["questions"]}
            )
        inputs, _ = processor.decision_inputs(requests)
        for name in ("input_ids", "attention_mask", "marks", "input_features"):
            assert torch.equal(batch[name], inputs[name]), name
        assert [row[row >= 0].tolist() for row in batch["option_ids"]] == inputs["option_ids"]

    def test_nothing_is_a_label(self, processor, wavs):
        batch = JudgeCollator(processor)(decisions(wavs))
        assert (batch["labels"] == IGNORED).all()

    def test_questions_with_other_numbers_of_levels_are_padded(self, processor, wavs):
        questions = {
            "hiss": {"type": "score", "instructions": "Hiss?", "criteria": ["yes", "some", "no"]},
            "mos": get_rubric("mos").question(),
        }
        targets = {"hiss": [0.2, 0.3, 0.5], "mos": [0.0, 0.5, 0.5, 0.0, 0.0]}
        example = {"state": clip_state(str(wavs / "a.wav")), "questions": questions, "targets": targets}
        batch = JudgeCollator(processor)([example])
        assert (batch["option_ids"] >= 0).sum(1).tolist() == [3, 5]
        assert batch["shares"][0].tolist() == pytest.approx([0.2, 0.3, 0.5, 0.0, 0.0])
        assert batch["columns"].tolist() == [-1, 0]

    def test_targets_are_expected_levels(self, processor, wavs):
        batch = JudgeCollator(processor, rubrics=["mos", "coloration", "loudness"])(decisions(wavs, all_rubrics=True))
        assert batch["targets"][0, [0, 2]].tolist() == pytest.approx([1.4, 2.0], abs=1e-4)
        assert batch["targets"][:, 1].isnan().all()

    def test_as_many_shares_as_levels(self, processor, wavs):
        example = decisions(wavs, 1)[0]
        example["targets"] = {name: [0.5, 0.5] for name in example["targets"]}
        with pytest.raises(ValueError, match="2 shares for 5 levels"):
            JudgeCollator(processor)([example])

    def test_template_that_mixes_questions_is_refused(self, processor, wavs, monkeypatch):
        template = processor.decision_config.chat_template
        monkeypatch.setattr(processor.decision_config, "chat_template", template + "{{ questions|length }}")
        with pytest.raises(ValueError, match="does not keep the questions"):
            JudgeCollator(processor)(decisions(wavs, 1, all_rubrics=True))

    def test_both_forms_in_one_batch(self, processor, wavs):
        example = text_example([audio(wavs, "c")], "4.0", target={"rubric": "mos", "value": 4.0})
        batch = JudgeCollator(processor)([*decisions(wavs, with_reference="always"), example])
        assert batch["clips"].tolist() == [2, 2, 1]
        assert len(batch["input_features"]) == 5
        assert learned(processor, batch, 2) == "4.0<|im_end|>"
        assert set(batch["marks"][:, 0].tolist()) == {0, 1}
        assert batch["targets"][2, 0] == 3.0

    def test_rows_of_a_data_set(self, processor, wavs):
        examples = decisions(wavs)
        first, second = JudgeCollator(processor)(list(to_dataset(examples))), JudgeCollator(processor)(examples)
        assert all(torch.equal(first[name], second[name]) for name in ("input_ids", "marks", "shares"))


class TestAudio:
    @pytest.mark.parametrize("kind", ENCODERS)
    def test_every_encoder_gets_its_own_rate_and_window(self, judge, wavs, tmp_path, kind):
        model, processor = judge(kind)
        soundfile.write(tmp_path / "long.wav", tone(2.5, 300, 22_050), 22_050)
        examples = [text_example([{"type": "audio", "path": str(tmp_path / "long.wav")}]), *decisions(wavs)]
        batch = JudgeCollator(processor)(examples)
        placeholders = int((batch["input_ids"] == processor.audio_token_id).sum())
        features = {name: batch[name] for name in ("input_features", "input_features_mask")}
        assert placeholders == len(model.get_audio_features(**features).pooler_output)

    def test_clips_are_cropped_at_a_place_drawn_from_the_seed_of_the_example(self, processor, wavs):
        example = {"state": clip_state(str(wavs / "c.wav")), "seed": 2}
        whole = read_audio(wavs / "c.wav").samples
        for random_crop, begins in ((False, True), (True, False)):
            collator = JudgeCollator(processor, max_seconds=0.25, random_crop=random_crop)
            (crop,) = collator.read_clips(example)
            assert len(crop) == RATE // 4
            assert np.array_equal(crop, whole[: RATE // 4]) is begins


class TestBadFiles:
    @pytest.fixture
    def examples(self, wavs, tmp_path):
        (tmp_path / "broken.wav").write_text("no sound")
        state = clip_state(str(tmp_path / "broken.wav"))
        return [decisions(wavs)[0], decisions(wavs)[0] | {"state": state}, decisions(wavs)[1]]

    def test_is_an_error_that_names_the_file(self, processor, examples):
        with pytest.raises(AudioError, match=r"broken\.wav"):
            JudgeCollator(processor)(examples)

    def test_is_counted_and_replaced(self, processor, examples):
        collator = JudgeCollator(processor, skip_bad=True)
        batch = collator(examples)
        assert collator.skipped == 1
        assert torch.equal(batch["input_ids"][2], batch["input_ids"][0])
        assert len(batch["input_ids"]) == 3

    def test_a_batch_without_any_readable_clip_is_an_error(self, processor, examples):
        with pytest.raises(AudioError, match=r"broken\.wav"):
            JudgeCollator(processor, skip_bad=True)(examples[1:2])

    def test_only_paths_are_read(self, processor, wavs):
        example = decisions(wavs, 1)[0] | {"state": clip_state(np.zeros(RATE, np.float32))}
        with pytest.raises(AudioError, match="gives its clip as a `path`"):
            JudgeCollator(processor)([example])


def test_rubric_level_is_linear_between_the_ends():
    assert [rubric_level(get_rubric("mos"), value) for value in (1.0, 2.5, 5.0)] == [0.0, 1.5, 4.0]
