# ruff: noqa: F811 (fixtures are imported by their names)
import json
import re
import zlib

import pytest
import soundfile
from shell import folder, run  # noqa: F401
from stub import serving
from tiny import tone

WORDS = str.maketrans("0123456789", "abcdefghij")


def expert(request, _times=1):
    """A teacher that says the overall quality, each time in another word, and names the winner by its MOS."""
    text = request["messages"][-1]["content"]
    if "Which of them" in text:
        return re.search(r"Speech[AB]", text)[0].join("[]")
    # No other request, and no other attempt at the same, gets it
    word = str(zlib.crc32(json.dumps(request, sort_keys=True).encode())).translate(WORDS)
    if "SpeechB" in text:
        first, second = (float(number) for number in re.findall(r"MOS ([0-9.]+)", text)[:2])
        return f"Speech{'A' if first > second else 'B'} it is, as {word}."
    level, mos = re.search(r"quality is (\w+) \(MOS ([0-9.]+)\)", text).groups()
    return f"The overall quality is {level}, as {word}. The MOS is {mos}."


@pytest.fixture
def ask(run, folder):
    soundfile.write(folder / "a.wav", tone(0.5, 300, 16_000), 16_000)
    soundfile.write(folder / "b.wav", 0.01 * tone(0.5, 900, 16_000), 16_000)

    def call(url, *more):
        return run("alld", "a.wav", "b.wav", "--teacher", url, "--model", "m", "--output", "results", *more)

    return call


class TestAlld:
    def test_files_of_the_readme_are_written(self, ask, folder, loaded):
        with serving(expert) as stub:
            code, _, err = ask(stub.url)
            assert code == 0, err
            asked = len(stub.requests)
            assert ask(stub.url)[0] == 0
            assert len(stub.requests) == asked
        out = folder / "results"
        for number, path in ((1, "a.wav"), (2, "b.wav")):
            metrics = json.loads((out / f"audio{number}_metrics.json").read_text())
            assert set(metrics) == {"mos", "noi", "col", "dis", "loud"}
            assert metrics["mos"] == round(loaded.score(path)["mos"].value, 2)
            plain, diverse = ((out / f"audio{number}_mos{kind}.txt").read_text() for kind in ("", "_diverse"))
            assert plain != diverse
        assert (out / "ab_test_summary.txt").read_text().strip() in ("[SpeechA]", "[SpeechB]")
        assert "it is" in (out / "ab_test.txt").read_text()

    def test_comparison_can_be_left_out(self, ask, folder):
        with serving(expert) as stub:
            assert ask(stub.url, "--skip-ab-test")[0] == 0
        assert not (folder / "results" / "ab_test.txt").exists()

    def test_what_contradicts_the_ratings_is_no_file(self, ask, folder):
        with serving(lambda *_: "Nothing can be said.") as stub:
            code, _, err = ask(stub.url, "--skip-ab-test")
        assert (code, "no audio1_mos.txt" in err) == (1, True), err
        assert not (folder / "results" / "audio1_mos.txt").exists()
        assert (folder / "results" / "audio1_metrics.json").exists()
