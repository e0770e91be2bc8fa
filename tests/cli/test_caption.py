# ruff: noqa: F811 (fixtures are imported by their names)
import json
import re

from rated_table import data, folder, run  # noqa: F401
from stub import serving

from audio_judge.data.files import read_examples

WORDS = str.maketrans("0123456789-", "abcdefghijk")


def expert(request, _times=1):
    """A teacher that does as it is told, names no aspect, and says nothing twice."""
    text = request["messages"][-1]["content"]
    word = f"{hash(text)}{request['seed']}".translate(WORDS)
    if token := re.search(r"\[\w+\]", text):
        return f"They differ a little, as {word}.\n{token[0]}"
    level, mos = re.search(r"quality is (\w+) \(MOS ([0-9.]+)\)", text).groups()
    return f"The overall quality is {level}, as {word}. The MOS is {mos}."


class TestCaption:
    def ask(self, capsys, url, *more):
        given = ["--teacher", url, "--model", "m", "--out", "captions.jsonl"]
        return run(capsys, "caption", "clips.csv", *given, *more)

    def test_writes_goes_on_and_can_be_learned(self, capsys, folder):
        with serving(expert) as stub:
            code, _, errors = self.ask(capsys, stub.url, "--limit", "3", "--diverse", "1", "--pairs", "1")
            assert code == 0, errors
            asked = len(stub.requests)
            self.ask(capsys, stub.url, "--limit", "3", "--diverse", "1", "--pairs", "1")
            assert len(stub.requests) == asked == 8
        code = run(capsys, "data", "captions", "captions.jsonl", "--tasks", "describe,compare", "--out", "x.jsonl")[0]
        assert code == 0
        assert {example["task"] for example in read_examples(folder / "x.jsonl")} == {"describe", "compare"}

    def test_two_steps_leave_out_ties(self, capsys, folder):
        (folder / "clips.csv").write_text("path,mos\na.wav,3\nb.wav,3\nc.wav,2\n")

        def reply(request, _times):
            text = request["messages"][0]["content"]
            if "listeners:\nSpeechA" in text:
                return "SpeechA it is."
            return expert(request) if "Findings of listeners" in text else "[SpeechA]"

        with serving(reply) as stub:
            code, _, errors = self.ask(capsys, stub.url, "--pairs", "9", "--two-step")
        assert code == 0, errors
        written = [json.loads(line) for line in (folder / "captions.jsonl").read_text().splitlines()]
        pairs = [row for row in written if row["task"] == "compare"]
        assert [(row["audio"], row["text"]) for row in pairs] == [(["b.wav", "c.wav"], "SpeechA it is.\n[SpeechA]")]

    def test_what_contradicts_the_ratings_is_dropped_and_counted(self, capsys, folder):
        (folder / "clips.csv").write_text("path,mos\na.wav,1.1\n")
        with serving(lambda *_: "The speech sounds clear, and the quality is good. The MOS is 1.1.") as stub:
            code, _, errors = self.ask(capsys, stub.url)
        assert code == 1
        assert "0 captions written" in errors
        assert "0 written again until the ratings agreed, 1 dropped; replies not used:\n       3 mos: against" in errors

    def test_table_without_ratings(self, capsys, folder):
        (folder / "clips.csv").write_text("path,other\na.wav,1\n")
        code, _, errors = self.ask(capsys, "http://localhost:9")
        assert code == 2
        assert "mos are needed" in errors

    def test_a_file_in_place_of_a_folder(self, capsys, folder):
        code, _, errors = self.ask(capsys, "http://localhost:9", "--cache", "clips.csv")
        assert (code, "audio-judge caption: clips.csv/" in errors) == (2, True)
