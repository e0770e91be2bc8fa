"""The reader of SpeechEval, on tiny files in its published layout."""

import json

import pytest
from datasets import Dataset

from audio_judge.clips import Cause, RatedPair, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.speecheval import read_preferences, read_speecheval
from audio_judge.corpora.splits import SplitError, check_disjoint
from audio_judge.rubrics.rubric import get_rubric

THINK = """Go through the aspects.
Overall Quality: 2/5
Intelligibility: 3/5
Distortion: 2/5 (timbre & quality;artifacts;drop / missing)
Speech Rate: suitable
Dynamic Range: 3/5
Emotional Impact: 2/5 (Neutral)
Artistic Expression: 1/5
Subjective Experience: 2/5 (female, thirties)"""
CONTEXT = """Overall Quality: 2
Intelligibility: 2
Distortion: 2
Distortion Type: background noise
Distortion Duration: appeared between 0 s - 4.9 s (across entire recording)
Distortion Degree: Severe
Distortion Perception: The words are hard to make out.
Speech Rate: suitable
Dynamic Range: 2
Emotional Impact: 1
Emotional Impact Type: Neutral
Artistic Expression: 1
Subjective Experience: 3
Subjective Speaker Gender: male
Subjective Speaker Age: N/A
Tone Description: hollow and dull
Improvement Suggestions: timbre;distortion"""
COMPARED = """Compare both.
Overall Quality: B is better than A
Intelligibility: A and B are similar in this aspect
Distortion: A is better than B
Distortion Details: A has artifacts, B has none
Subjective Experience: A and B are similar"""
COMPARED_CONTEXT = [
    "Overall Quality (A vs B): A and B are similar in this aspect",
    "Emotional Impact (A vs B): B is better than A",
    "Distortion Detail A - Type: jitter;artifacts, Duration: 0-3.3 s (throughout the recording)",
    "Emotional Impact Type B: Happy",
    "Subjective A - Gender: female, Age: N/A",
]


def written(think, answer):
    return f"<think>\n{think}\n</think>\n\n<answer>\n{answer}\n</answer>"


def a_record(task="SingleEval", reply=None, question="<audio> How good is this speech?", name="en_x_1.wav", **changes):
    messages = [{"role": "user", "content": question}]
    messages += [] if reply is None else [{"role": "assistant", "content": reply}]
    return {"key": name, "task": task, "messages": messages, "audios": [f"audio/{name}"]} | changes


def a_pair(reply=None, **changes):
    question = "Sample A: <audio> Sample B: <audio> Which is better?"
    record = a_record("CompareEval", reply, question, audios=["audio/zh_a.wav", "audio/zh_b.wav"])
    return record | {"key": "zh_a.wav_zh_b.wav"} | changes


def write(path, *records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    return path


def read(tmp_path, *records, **options):
    return list(read_speecheval(write(tmp_path / "multitask.jsonl", *records), "train", **options))


def single(tmp_path, *lines):
    (clip,) = read(tmp_path, a_record(context=list(lines)))
    return clip


class TestFolder:
    def test_splits_and_tasks(self, tmp_path):
        base = tmp_path / "data_split"
        write(base / "split_data_single_eval/train/multitask.jsonl", a_record(reply=written(THINK, "Poor.")))
        write(base / "split_data_dual_eval/val/multitask.jsonl", a_pair(written(COMPARED, "B.")))
        write(base / "split_data_fakedetection/test/multitask.jsonl", a_record("FakeDetection", "fake"))
        items = list(read_speecheval(tmp_path))
        assert [item.extra["task"] for item in items] == ["CompareEval", "FakeDetection", "SingleEval"]
        assert [item.split for item in items[1:]] == ["test", "train"]
        assert items[0].first.split == "validation"
        assert items[2].path == f"{tmp_path}/audio/en_x_1.wav"
        assert [item.extra["task"] for item in read_speecheval(tmp_path, "test")] == ["FakeDetection"]
        assert len(list(read_speecheval(tmp_path, tasks=["SingleEval"]))) == 1

    def test_nothing_there(self, tmp_path):
        with pytest.raises(CorpusError, match="no SpeechEval here"):
            read_speecheval(tmp_path)

    def test_missing_split(self, tmp_path):
        write(tmp_path / "data_split/split_data_single_eval/train/multitask.jsonl", a_record(context=CONTEXT))
        with pytest.raises(CorpusError, match=r"no test split here, but data_split/split_data_single_eval/train"):
            read_speecheval(tmp_path, "test")

    def test_unknown_split_folder(self, tmp_path):
        write(tmp_path / "data_split/split_data_single_eval/part1/multitask.jsonl", a_record())
        with pytest.raises(CorpusError, match="part1"):
            read_speecheval(tmp_path)

    def test_file_needs_a_split(self, tmp_path):
        with pytest.raises(ValueError, match="give split="):
            read_speecheval(write(tmp_path / "a.jsonl", a_record()))

    def test_unknown_task(self, tmp_path):
        with pytest.raises(ValueError, match="Single"):
            read_speecheval(tmp_path, tasks=["Single"])


class TestSingleEval:
    def test_think(self, tmp_path):
        (clip,) = read(tmp_path, a_record(reply=written(THINK, "Poor, and hollow.")))
        assert {rubric: rating.value for rubric, rating in clip.ratings.items()} == {
            "mos": 2, "intelligibility": 3, "distortion": 2, "speech_rate": 3, "dynamic_range": 3,
            "emotional_impact": 2, "artistic_expression": 1, "subjective_experience": 2,
        }  # fmt: skip
        assert clip.extra["distortion_types"] == ["timbre & quality", "artifacts", "drop / missing"]
        assert clip.extra["emotion"] == "Neutral"
        assert (clip.extra["speaker_gender"], clip.extra["speaker_age"]) == ("female", "thirties")
        assert (clip.extra["think"], clip.extra["answer"]) == (THINK, "Poor, and hollow.")
        assert clip.extra["description"] == "Poor, and hollow."
        assert (clip.extra["key"], clip.extra["language"]) == ("en_x_1.wav", "en")
        assert clip.causes == ()

    @pytest.mark.parametrize("context", [CONTEXT, CONTEXT.splitlines()])
    def test_context(self, tmp_path, context):
        (clip,) = read(tmp_path, a_record(context=context))
        assert len(clip.ratings) == 8
        assert clip.ratings["subjective_experience"] == Rating(3.0)
        assert clip.extra["distortion_spans"] == [[0.0, 4.9]]
        assert clip.extra["distortion_degree"] == "Severe"
        assert clip.extra["tone"] == "hollow and dull"
        assert clip.extra["improvement_areas"] == ["timbre", "distortion"]
        assert "speaker_age" not in clip.extra
        assert clip.causes == (Cause("noise", {}, ((0.0, 4.9),)),)

    def test_context_wins_over_think(self, tmp_path, caplog):
        record = a_record(
            reply=written("Overall Quality: 4/5\nDynamic Range: 3/5", "Good."), context="Overall Quality: 2"
        )
        (clip,) = read(tmp_path, record)
        assert clip.ratings == {"mos": Rating(2.0), "dynamic_range": Rating(3.0)}
        assert "1 of 1 rows have a <think> that differs" in caplog.text

    RATES = (
        ("suitable", 3, "appropriate"),
        ("Appropriate", 3, "appropriate"),
        ("moderate", 3, "appropriate"),
        ("Slightly Fast", 4, "slightly fast"),
        ("slow", 1, "slow"),
        ("5", 5, "fast"),
        ("2/5", 2, "slightly slow"),
    )

    @pytest.mark.parametrize(("text", "value", "word"), RATES)
    def test_speech_rate(self, tmp_path, text, value, word):
        clip = single(tmp_path, f"Speech Rate: {text}")
        assert clip.ratings == {"speech_rate": Rating(value)}
        assert (clip.extra["speech_rate_word"], clip.extra["speech_rate_text"]) == (word, text)

    def test_speech_rate_in_other_words_is_no_rating(self, tmp_path, caplog):
        clip = single(tmp_path, "Overall Quality: 2", "Speech Rate: brisk")
        assert clip.ratings == {"mos": Rating(2.0)}
        assert (clip.extra["speech_rate_text"], "speech_rate_word" in clip.extra) == ("brisk", False)
        assert "1 of 1 rows have a speech rate in other words" in caplog.text

    def test_ninth_dimension_is_a_fact(self, tmp_path):
        clip = single(tmp_path, "Overall Quality: 4", "Tone Balance: 3")
        assert set(clip.ratings) == {"mos"}
        assert clip.extra["tone_balance"] == "3"

    def test_lines_nobody_knows_are_kept_and_counted(self, tmp_path, caplog):
        assert single(tmp_path, "Overall Quality: 4", "Warmth: 3").extra["other_labels"] == {"Warmth": "3"}
        assert "1 of 1 rows have lines nobody knows" in caplog.text

    BAD = (
        ("Overall Quality: 6", "overall quality is '6'"),
        ("Overall Quality: 8/10", "a score out of 5 expected"),
        ("Intelligibility: good", "intelligibility is 'good'"),
        ("Speech Rate: 9", "speech rate is '9'"),
    )

    @pytest.mark.parametrize(("line", "problem"), BAD)
    def test_bad_label(self, tmp_path, line, problem):
        with pytest.raises(CorpusError, match=rf"multitask\.jsonl, line 2: .*{problem}"):
            read(tmp_path, a_record(context=CONTEXT), a_record(context=[line]))

    def test_unlabelled_is_left_out_and_counted(self, tmp_path, caplog):
        assert read(tmp_path, a_record()) == []
        assert "SpeechEval train: 1 of 1 rows left out, no labels" in caplog.text

    def test_unlabelled_is_kept_on_demand(self, tmp_path):
        (clip,) = read(tmp_path, a_record(), keep_unlabelled=True)
        assert clip.ratings == {}
        assert clip.extra["question"] == "<audio> How good is this speech?"

    def test_rubrics_are_known_on_this_scale(self, tmp_path):
        for name in single(tmp_path, *CONTEXT.splitlines()).ratings:
            assert (get_rubric(name).low, get_rubric(name).high) == (1, 5)


class TestCompareEval:
    def test_think(self, tmp_path):
        (pair,) = read(tmp_path, a_pair(written(COMPARED, "Sample B.")))
        assert isinstance(pair, RatedPair)
        assert pair.preferences == {
            "mos": "B", "intelligibility": "tie", "distortion": "A", "subjective_experience": "tie"
        }  # fmt: skip
        assert pair.extra["distortion_details"] == "A has artifacts, B has none"
        assert pair.extra["description"] == "Sample B."
        assert (pair.first.path, pair.second.path) == (f"{tmp_path}/audio/zh_a.wav", f"{tmp_path}/audio/zh_b.wav")

    def test_context(self, tmp_path):
        (pair,) = read(tmp_path, a_pair(context=COMPARED_CONTEXT))
        assert pair.preferences == {"mos": "tie", "emotional_impact": "B"}
        assert pair.first.extra == {
            "distortion_types": ["jitter", "artifacts"],
            "distortion_duration": "0-3.3 s (throughout the recording)",
            "distortion_spans": [[0.0, 3.3]],
            "speaker_gender": "female",
            "language": "zh",
        }
        assert pair.second.extra["emotion"] == "Happy"

    def test_unknown_phrase(self, tmp_path):
        with pytest.raises(CorpusError, match=r"line 1: Overall Quality \(A vs B\) is 'A wins'"):
            read(tmp_path, a_pair(context=["Overall Quality (A vs B): A wins"]))

    def test_no_preference_is_left_out_and_counted(self, tmp_path, caplog):
        assert read(tmp_path, a_pair()) == []
        assert "1 of 1 rows left out, no preference in the record nor in the side table" in caplog.text

    def test_side_table(self, tmp_path):
        table = write(tmp_path / "train.jsonl", {"key": "zh_a.wav_zh_b.wav", "preference": "tie"})
        (pair,) = read(tmp_path, a_pair(), preferences=read_preferences(table))
        assert pair.preferences == {"mos": "tie"}

    def test_record_wins_over_the_side_table(self, tmp_path, caplog):
        (pair,) = read(tmp_path, a_pair(written(COMPARED, "B.")), preferences={"zh_a.wav_zh_b.wav": "A"})
        assert pair.preferences["mos"] == "B"
        assert "differs from the side table" in caplog.text

    def test_contradicting_side_table(self, tmp_path):
        table = write(tmp_path / "t.jsonl", {"key": "k", "preference": "A"}, {"key": "k", "preference": "B"})
        with pytest.raises(CorpusError, match="line 2: preference of 'k' is B, but A"):
            read_preferences(table)


class TestSuggest:
    def test_suggestions(self, tmp_path):
        reply = written("Key improvement areas: timbre, pace", "Make it rounder.\nSlow down.")
        (clip,) = read(tmp_path, a_record("Suggest", reply))
        assert clip.extra["improvement_areas"] == ["timbre", "pace"]
        assert clip.extra["suggestions"] == ["Make it rounder.", "Slow down."]
        assert clip.ratings == {}


class TestFakeDetection:
    @pytest.mark.parametrize("reply", ["<think>\n</think>\n\n<answer>\nfake\n</answer>", "Fake", "fake."])
    def test_label(self, tmp_path, reply):
        (clip,) = read(tmp_path, a_record("FakeDetection", reply))
        assert clip.extra["label"] == "fake"

    def test_other_answer(self, tmp_path):
        with pytest.raises(CorpusError, match="line 1: the answer is 'synthetic'; real or fake expected"):
            read(tmp_path, a_record("FakeDetection", "synthetic"))

    def test_solution_of_reinforcement_learning(self, tmp_path):
        (clip,) = read(tmp_path, a_record("FakeDetection", solution="<task>FakeDetection</task>real"))
        assert clip.extra["label"] == "real"


class TestDroppedKeys:
    def test_key_and_task_are_told(self, tmp_path, caplog):
        records = [a_record(reply="real"), a_pair(written(COMPARED, "B.")), a_record(reply=written(THINK, "Poor."))]
        for record in records:
            del record["key"], record["task"]
        items = read(tmp_path, *records)
        assert [item.extra["task"] for item in items] == ["FakeDetection", "CompareEval", "SingleEval"]
        assert items[1].extra["key"] == "zh_a.wav_zh_b.wav"
        assert "3 of 3 rows have no task" in caplog.text

    def test_task_that_cannot_be_told(self, tmp_path):
        record = a_record(reply="Nice.")
        del record["task"]
        with pytest.raises(CorpusError, match="line 1: task is missing and cannot be told"):
            read(tmp_path, record)

    def test_results_are_no_labels(self, tmp_path):
        record = a_record(reply=written(THINK, "Poor.")) | {"response": "x", "labels": None, "logprobs": None}
        with pytest.raises(CorpusError, match=r"output of a model"):
            read(tmp_path, record)


class TestAudio:
    def test_path_of_the_authors_machine(self, tmp_path):
        (tmp_path / "en_x_1.wav").touch()
        (clip,) = read(tmp_path, a_record(reply=written(THINK, "Poor."), audios=["/apdcephfs/x/en_x_1.wav"]))
        assert clip.path == f"{tmp_path}/en_x_1.wav"

    @pytest.mark.parametrize("path", ["/apdcephfs/x/audios/en_x_1.wav", "audios/en_x_1.wav", "en_x_1.wav"])
    def test_clips_anywhere_below_the_folder(self, tmp_path, path, caplog):
        (tmp_path / "unpacked/en/audios").mkdir(parents=True)
        (tmp_path / "unpacked/en/audios/en_x_1.wav").touch()
        (clip,) = read(tmp_path, a_record(context=CONTEXT, audios=[path]))
        assert clip.path == f"{tmp_path}/unpacked/en/audios/en_x_1.wav"
        assert "1 of 1 rows have their clip in another place" in caplog.text

    def test_the_end_of_the_path_tells_clips_of_one_name_apart(self, tmp_path):
        for folder in ("a/audios", "b/audios"):
            (tmp_path / folder).mkdir(parents=True)
            (tmp_path / folder / "en_x_1.wav").touch()
        (clip,) = read(tmp_path, a_record(context=CONTEXT, audios=["/apdcephfs/a/audios/en_x_1.wav"]))
        assert clip.path == f"{tmp_path}/a/audios/en_x_1.wav"
        with pytest.raises(CorpusError, match=r"a/audios/en_x_1\.wav and .*b/audios"):
            read(tmp_path, a_record(context=CONTEXT, audios=["/apdcephfs/c/en_x_1.wav"]))

    @pytest.mark.parametrize(
        ("name", "system", "speaker"),
        [
            ("en_CosyVoice_5105-28240-0019.wav", "CosyVoice", "5105"),
            ("en_BVCC_sysa0656-utta5be39c.wav", "sysa0656", None),
            ("zh_Aishell3_tacotron2_SSB03390029.wav", "tacotron2", "SSB0339"),
            ("zh_Aishell3_SSB03390029.wav", None, "SSB0339"),
            ("zh_ali_zhida_csmsc_006117.wav", "ali_zhida", "csmsc"),
            ("my_clip_1.wav", None, None),
        ],
    )
    def test_system_and_speaker_are_in_published_names(self, tmp_path, name, system, speaker):
        (clip,) = read(tmp_path, a_record(context=CONTEXT, audios=[f"audios/{name}"]))
        assert (clip.system, clip.speaker) == (system, speaker)

    def test_system_that_the_record_tells(self, tmp_path):
        (clip,) = read(tmp_path, a_record(context=CONTEXT) | {"system": "tts-1", "speaker": "p1"})
        assert (clip.system, clip.speaker) == ("tts-1", "p1")

    def test_copies_in_two_splits_are_found_out(self, tmp_path):
        for split, folder in (("train", "a"), ("test", "b")):
            record = a_record(context=CONTEXT, audios=[f"{folder}/en_CosyVoice_5105-28240-0019.wav"])
            write(tmp_path / f"data_split/split_data_single_eval/{split}/multitask.jsonl", record)
        with pytest.raises(SplitError, match=r"1 speaker in more than one split: 5105 .*1 system .*CosyVoice"):
            check_disjoint(read_speecheval(tmp_path), ["path", "speaker", "system"])

    def test_detection_shares_its_sources_on_purpose(self, tmp_path):
        for split, folder in (("train", "a"), ("test", "b")):
            record = a_record("FakeDetection", "fake", audios=[f"{folder}/en_CosyVoice_5105-28240-0019.wav"])
            write(tmp_path / f"data_split/split_data_fakedetection/{split}/multitask.jsonl", record)
        assert check_disjoint(read_speecheval(tmp_path), ["path", "speaker", "system"]) == 2

    def test_path_of_the_authors_machine_without_the_clip(self, tmp_path):
        with pytest.raises(CorpusError, match="give audio_root"):
            read(tmp_path, a_record(context=CONTEXT, audios=["/apdcephfs/x/en_x_1.wav"]))

    BAD = (
        ({"audios": []}, "path is missing"),
        ({"audios": "a.wav"}, "a list of one or two paths"),
        ({"audios": ["a.wav", "b.wav"]}, "SingleEval with 2 audios; 1 expected"),
        ({"messages": [{"role": "user", "content": "How good?"}]}, "0 placeholders <audio> for 1 audios"),
        ({"messages": "hello"}, "a list of objects with role and content"),
        ({"task": "Rate"}, "task is 'Rate'"),
        ({"messages": [{"role": "assistant", "content": "<think>Overall Quality: 2/5"}]}, "not opened and closed once"),
    )

    @pytest.mark.parametrize(("changes", "problem"), BAD)
    def test_bad_record(self, tmp_path, changes, problem):
        with pytest.raises(CorpusError, match=rf"multitask\.jsonl, line 2: .*{problem}"):
            read(tmp_path, a_record(context=CONTEXT), a_record(context=CONTEXT, **changes))

    def test_broken_line(self, tmp_path):
        file = write(tmp_path / "a.jsonl", a_record(context=CONTEXT))
        file.write_text(file.read_text() + '{"key": "x", ')
        with pytest.raises(CorpusError, match=r"a\.jsonl, line 2: no JSON"):
            list(read_speecheval(file, "train"))


class TestDataSet:
    ROWS = (
        {"task": "CompareEval", "key": "k1", "path": "a.wav", "path_B": "b.wav"},
        {"task": "CompareEval", "key": "k2", "path": "a.wav", "path_B": "c.wav"},
    )

    def test_hub_rows_with_a_side_table(self, tmp_path, caplog):
        Dataset.from_list(list(self.ROWS)).save_to_disk(tmp_path / "set")
        pairs = list(read_speecheval(tmp_path / "set", "validation", preferences={"k1": "B"}))
        assert [pair.preferences for pair in pairs] == [{"mos": "B"}]
        assert (pairs[0].first.path, pairs[0].second.path, pairs[0].first.split) == ("a.wav", "b.wav", "validation")
        assert "1 of 2 rows left out, no preference" in caplog.text

    def test_single_row_has_no_second_path(self, tmp_path):
        rows = [{"task": "SingleEval", "key": "k", "path": "a.wav", "path_B": None, "context": CONTEXT}]
        Dataset.from_list(rows).save_to_disk(tmp_path / "set")
        (clip,) = read_speecheval(tmp_path / "set", "test", audio_root="/d")
        assert clip.path == "/d/a.wav"
