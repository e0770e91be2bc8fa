# ruff: noqa: F811 (fixtures are imported by their names)

import pytest
import soundfile
from shell import folder, lines, run, table  # noqa: F401
from tiny import tone

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

    def test_a_list_without_their_columns_says_what_names_them(self, run, folder):
        (folder / "clips.csv").write_text("path,model\nclips/0.wav,x\nclips/1.wav,y\n")
        code, _, err = run("compare", "clips.csv")
        assert code == 2
        assert "clips.csv: no column 'a'; it has path, model; name " in err
        assert "--first-column and --second-column" in err
        assert "--system-column" in err

    def test_reasons_are_written(self, run):
        code, out, _ = run("compare", "clips/0.wav", "clips/1.wav", *SHORT)
        assert code == 0
        assert len(out.strip().splitlines()) > 1


@pytest.fixture
def systems(folder):
    """Two systems with two clips of the same names."""
    for name, frequency in (("old", 300), ("new", 500)):
        (folder / name).mkdir()
        for index in range(2):
            sound = tone(0.5, frequency + 100 * index, 16_000)
            soundfile.write(folder / name / f"{index}.wav", sound, 16_000)
    return folder


class TestSystems:
    def test_each_clip_is_scored_as_by_score(self, run, systems, loaded):
        code, out, err = run("compare", "old", "new", "--rubric", "mos", "--output", "c.jsonl")
        rows = lines((systems / "c.jsonl").read_text())
        assert code == 0
        assert [(row["system"], row["clip"], row["path"]) for row in rows][:3] == [
            ("old", "0", "old/0.wav"),
            ("old", "1", "old/1.wav"),
            ("new", "0", "new/0.wav"),
        ]
        assert rows[2]["scores"]["mos"] == pytest.approx(loaded.score("new/0.wav", rubric="mos")["mos"].value, abs=1e-3)
        assert "4 clips scored, 0 errors" in err
        (contrast,) = [row for row in lines((systems / "c.summary.jsonl").read_text()) if "rubric" in row]
        leads = [rows[index]["scores"]["mos"] - rows[index + 2]["scores"]["mos"] for index in range(2)]
        assert contrast["difference"] == pytest.approx(sum(leads) / 2, abs=1e-4)
        assert contrast["test"] == "Wilcoxon signed-rank"
        assert "Wilcoxon signed-rank test" in out

    def test_without_output_only_figures_are_printed(self, run, systems):
        code, out, _ = run("compare", "old", "new", "--rubric", "mos")
        assert (code, out.split()[:3]) == (0, ["place", "system", "clips"])
        assert not list(systems.glob("*.jsonl"))

    def test_rows_on_standard_output_stay_alone(self, run, systems):
        _, out, err = run("compare", "old", "new", "--rubric", "mos", "--output", "-")
        assert [row["system"] for row in lines(out)] == ["old", "old", "new", "new"]
        assert "Wilcoxon" in err

    def test_a_list_in_another_folder_and_its_page(self, run, systems):
        pytest.importorskip("jinja2")
        pytest.importorskip("matplotlib")
        (systems / "lists").mkdir()
        rows = [f"../{name}/{index}.wav,{name}" for name in ("old", "new") for index in range(2)]
        (systems / "lists" / "clips.csv").write_text("\n".join(["path,system", *rows]) + "\n")
        code, *_ = run("compare", "lists/clips.csv", "--rubric", "mos", "--html", "page.html")
        assert code == 0
        assert (systems / "page.html").read_text().count("<audio") == 4

    def test_pairs_hear_both(self, run, systems):
        code, out, _ = run("compare", "old", "new", "--pairs", "--no-reasons", "--output", "pairs.jsonl")
        rows = lines((systems / "pairs.jsonl").read_text())
        assert (code, rows[0]["a"], rows[0]["b"]) == (0, "old/0.wav", "new/0.wav")
        assert {row["task"] for row in rows} == {"compare-briefly"}
        assert "P(first is better)" in out

    def test_goes_on_and_counts_all(self, run, systems):
        arguments = ("compare", "old", "new", "--rubric", "mos", "--output", "c.jsonl")
        _, whole, _ = run(*arguments)
        text = (systems / "c.jsonl").read_text()
        (systems / "c.jsonl").write_text("".join(text.splitlines(keepends=True)[:3]))
        assert run(*arguments, "--resume")[1] == whole
        assert (systems / "c.jsonl").read_text() == text

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("old",), "old: one system, 'old'; two or more are needed"),
            (("old", "gone"), "gone: no such folder; check the path"),
            (("old", "new", "--rubric", "hum"), "--rubric: "),
            (("old", "new", "--pairs", "--tie", "0.2"), "--tie is about scores of systems"),
            (("old", "new", "--pairs", "--system-column", "x"), "--system-column is about lists of clips"),
            (("old", "new", "--html", "page.txt"), "the name must end in .html"),
            (("old", "new", "--html", "a.html", "--output", "b.html"), "is a page, too"),
        ],
    )
    def test_refuses_nonsense(self, run, systems, arguments, message):
        code, _, err = run("compare", *arguments)
        assert (code, message in err) == (2, True)
