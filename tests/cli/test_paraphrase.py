# ruff: noqa: F811 (fixtures are imported by their names)
import json

import pytest
from rated_table import data, folder, run  # noqa: F401
from stub import serving

from audio_judge.data.files import read_examples
from audio_judge.data.paraphrases import STYLES, load_paraphrases
from audio_judge.languages import wordings

INSTRUCTIONS = wordings("decide")[0]


def reworder(request, _times=1):
    """A model that puts the style's first words before the request, but has no casual wording of one template."""
    style, _, source = request["messages"][-1]["content"].partition("\n\nRequest: ")
    if source == INSTRUCTIONS[0] and style == STYLES["casual"]:
        return "Sure, here you go!"
    return f"{list(STYLES.values()).index(style) * 'really '}{source} Thanks."


class TestParaphrase:
    def ask(self, capsys, url, *more):
        return run(capsys, "data", "paraphrase", "--teacher", url, "--model", "m", "--out", "w.jsonl", *more)

    def test_one_bad_reply_is_one_failed_row(self, capsys, folder):
        with serving(reworder) as stub:
            code, _, errors = self.ask(capsys, stub.url)
        assert code == 1
        assert f"{5 * len(INSTRUCTIONS) - 1} wordings added in w.jsonl, 1 failed" in errors
        (failed,) = map(json.loads, (folder / "w.jsonl.failed.jsonl").read_text().splitlines())
        assert (failed["source"], failed["style"], failed["reason"]) == (INSTRUCTIONS[0], "casual", "invalid")

    def test_another_run_asks_for_nothing_again(self, capsys, folder):
        with serving(reworder) as stub:
            assert self.ask(capsys, stub.url, "--styles", "technical")[0] == 0
            before, asked = (folder / "w.jsonl").read_text(), len(stub.requests)
            assert (
                f"0 wordings added to {len(INSTRUCTIONS)} of an earlier run"
                in self.ask(capsys, stub.url, "--styles", "technical")[2]
            )
            assert (len(stub.requests), (folder / "w.jsonl").read_text()) == (asked, before)

    def test_data_uses_the_file(self, capsys, folder):
        with serving(reworder) as stub:
            self.ask(capsys, stub.url)
        given = ["--tasks", "score", "--augment", "paraphrase=1", "--paraphrases", "w.jsonl", "--variants", "9"]
        assert data(capsys, *given, "--out", "x.jsonl")[0] == 0
        steps = [example["provenance"][0] for example in read_examples(folder / "x.jsonl")]
        assert {step["model"].get("model") for step in steps} == {"m", None}

    @pytest.mark.parametrize(
        ("given", "problem"),
        [(["--styles", "rude"], "no style 'rude'"), (["--out", "w.txt"], "must end in .jsonl")],
    )
    def test_unusable_requests(self, capsys, given, problem):
        code, _, errors = self.ask(capsys, "http://localhost:9", *given)
        assert (code, problem in errors) == (2, True)

    def test_definitions_are_reworded_and_checked(self, capsys, folder):
        def describer(request, _times=1):
            if "Request: How free the speech is of noise" in request["messages"][-1]["content"]:
                return "How much noise is there? The top means {lowest}, the bottom {highest}."  # swapped
            return "How good is the speech? At the top it is {highest}, at the bottom {lowest}."

        with serving(describer) as stub:
            given = ["--definitions", "mos,noisiness", "--styles", "casual"]
            code, _, errors = self.ask(capsys, stub.url, *given)
        assert (code, "1 wordings added in w.jsonl, 1 failed" in errors) == (1, True), errors
        (one,) = load_paraphrases(folder / "w.jsonl")
        assert (one.rubric, one.text) == (
            "mos",
            "How good is the speech? At the top it is {highest}, at the bottom {lowest}.",
        )
