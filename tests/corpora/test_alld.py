import json

import pytest

from audio_judge.clips import RatedClip, RatedPair
from audio_judge.corpora import CorpusError
from audio_judge.corpora.alld import read_alld
from audio_judge.data.instructions import Manner, make_instructions

DEG = "NISQA_TRAIN_SIM/deg/c1.wav"
DESCRIBED = {
    "query": "<audio>Describe it.",
    "response": "It hisses a lot. The MOS is 1.9.",
    "audios": [f"../data/nisqa/NISQA_Corpus/{DEG}"],
}
COMPARED = {"query": "Compare.", "response": "SpeechB is cleaner.\n[SpeechB]", "audios": ["/x/a.wav", "/x/b.wav"]}


def write(path, *rows, as_list=False):
    text = json.dumps(rows) if as_list else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text)
    return path


class TestReadAlld:
    @pytest.mark.parametrize("as_list", [True, False])
    def test_descriptions_and_comparisons(self, tmp_path, as_list):
        file = write(tmp_path / "train_10k.json", DESCRIBED, COMPARED, as_list=as_list)
        clip, pair = read_alld(file, root="/nisqa")
        assert isinstance(clip, RatedClip)
        assert (clip.path, clip.ratings["mos"].value, clip.split) == (f"/nisqa/{DEG}", 1.9, "train")
        assert clip.extra["caption"] == DESCRIBED["response"]
        assert isinstance(pair, RatedPair)
        assert pair.preferences == {"mos": "B"}
        assert (pair.first.path, pair.second.path) == ("/x/a.wav", "/x/b.wav")  # of no folder of NISQA's: as they are

    def test_can_be_learned(self, tmp_path):
        items = list(read_alld(write(tmp_path / "a.jsonl", DESCRIBED, COMPARED)))
        made = [
            example
            for item, task in zip(items, ("describe", "compare"), strict=True)
            for example in make_instructions([item], [task], seed=0, manner=Manner())
        ]
        texts = [example["completion"][0]["content"] for example in made]
        assert {DESCRIBED["response"], COMPARED["response"]} <= set(texts)

    def test_other_forms_of_ms_swift(self, tmp_path):
        inline = {"query": "Audio 1: <audio>/x/a.wav</audio>\nDescribe it.", "response": "Clean. The MOS is 4.5."}
        turns = [{"role": "user", "content": "<audio>?"}, {"role": "assistant", "content": "Clean. The MOS is 4.0."}]
        chat = {"messages": turns, "audios": ["/x/c.wav"], "rejected_response": "Bad. The MOS is 1.0."}
        clips = list(read_alld(write(tmp_path / "a.jsonl", inline, chat)))
        assert [(clip.path, clip.ratings["mos"].value) for clip in clips] == [("/x/a.wav", 4.5), ("/x/c.wav", 4.0)]
        assert clips[1].extra["rejected"] == "Bad. The MOS is 1.0."

    def test_columns_of_other_names(self, tmp_path):
        row = {"file": "a.wav", "caption": "It hums. The MOS is 2.0.", "mos": 2.1, "noi": 1.5}
        (clip,) = read_alld(write(tmp_path / "a.jsonl", row), columns={"text": "caption", "audio": "file"}, root="/n")
        assert {name: rating.value for name, rating in clip.ratings.items()} == {"mos": 2.1, "noisiness": 1.5}
        assert clip.path == "/n/a.wav"

    def test_answer_of_the_second_call_becomes_the_last_line(self, tmp_path):
        row = COMPARED | {"response": "SpeechB is cleaner, I prefer it.", "answer": "[SpeechB]"}
        (pair,) = read_alld(write(tmp_path / "a.jsonl", row))
        assert pair.extra["caption"] == "SpeechB is cleaner, I prefer it.\n[SpeechB]"

    def test_nothing_is_guessed(self, tmp_path, caplog):
        rows = [COMPARED | {"response": "SpeechB is cleaner, I prefer it."}, DESCRIBED | {"response": "It hisses."}]
        assert list(read_alld(write(tmp_path / "a.jsonl", *rows))) == []
        assert "an A/B test without a winner" in caplog.text
        assert "a description without a score" in caplog.text

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            (DESCRIBED | {"audios": []}, "line 1: audios is .*; the paths of one or two clips expected"),
            (DESCRIBED | {"audios": ["a", "b", "c"]}, "the paths of one or two clips expected"),
            ({"audios": ["a.wav"]}, "response is missing; text expected"),
        ],
    )
    def test_rows_that_are_no_captions(self, tmp_path, row, message):
        with pytest.raises(CorpusError, match=message):
            list(read_alld(write(tmp_path / "a.jsonl", row)))

    def test_unknown_column(self):
        with pytest.raises(ValueError, match="columns file; the fields are query, text, audio"):
            read_alld("a.jsonl", columns={"file": "x"})
