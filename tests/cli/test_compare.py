# ruff: noqa: F811 (fixtures are imported by their names)

import pytest
from shell import folder, lines, run, table  # noqa: F401

SHORT = ("--max-new-tokens", "4")


class TestCompare:
    def test_order_does_not_matter(self, run):
        one = lines(run("compare", "clips/0.wav", "clips/1.wav", "--no-reasons", "--output", "-")[1])[0]
        other = lines(run("compare", "clips/1.wav", "clips/0.wav", "--no-reasons", "--output", "-")[1])[0]
        assert (one["a"], one["b"]) == ("clips/0.wav", "clips/1.wav")
        assert one["probabilities"]["A"] == pytest.approx(other["probabilities"]["B"], abs=1e-3)

    def test_list_of_pairs_and_its_columns(self, run, folder):
        (folder / "pairs.csv").write_text(
            "a,b,id\nclips/0.wav,clips/1.wav,7\nclips/0.wav,missing.wav,8\nclips/0.wav,,9\n"
        )
        arguments = ("compare", "pairs.csv", "--rubric", "noisiness", "--no-reasons", "--output", "compared.csv")
        code, _, err = run(*arguments)
        good, bad, empty = table(folder / "compared.csv")
        assert code == 1
        assert (good["id"], good["better"] in ("A", "B", "tie"), good["rubrics"]) == ("7", True, "noisiness")
        assert float(good["noisiness_lead"]) == pytest.approx(float(good["p_a"]) - float(good["p_b"]), abs=1e-6)
        assert "missing.wav: no such file" in bad["error"]
        assert empty["error"] == "pairs.csv:4: no path (None); every row needs the path of a clip"
        assert "1 pair compared, 2 errors" in err
        before = (folder / "compared.csv").read_bytes()
        assert run(*arguments, "--resume")[0] == 1
        assert (folder / "compared.csv").read_bytes() == before

    def test_reasons_are_written(self, run):
        code, out, _ = run("compare", "clips/0.wav", "clips/1.wav", *SHORT)
        assert code == 0
        assert len(out.strip().splitlines()) > 1
