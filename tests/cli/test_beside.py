# ruff: noqa: F811 (fixtures are imported by their names)
"""Judges and measures of others beside the judge of ``score``."""

import pytest
from shell import folder, lines, run, shell, table  # noqa: F401

from audio_judge.batch.items import Item
from audio_judge.cli.beside import load, split
from audio_judge.errors import UsageError
from audio_judge.eval import peers


@pytest.fixture
def loud(monkeypatch):
    """A measure that gives the peak of a clip as mos, one that needs the original, and one that scores nothing of ours."""

    def peak(samples, _):
        return {"mos": float(abs(samples).max()), "hum": 1.0}

    how = ("made up", ("mos", "noisiness"), 16_000, "nothing", lambda _: peak)
    monkeypatch.setitem(peers.PEERS, "loud", peers.Peer(*how))
    monkeypatch.setitem(peers.PEERS, "double", peers.Peer(*how, needs_reference=True))
    monkeypatch.setitem(peers.PEERS, "hum", peers.Peer("made up", ("hum",), 16_000, "nothing", lambda _: peak))


class TestSplit:
    def test_the_first_that_is_no_peer_judges(self):
        assert split(["peer:nisqa", "open", "mini"]) == ("open", ["peer:nisqa", "mini"])
        assert split([]) == (None, [])

    def test_of_measures_alone_the_first_fills_the_row(self):
        assert split(["peer:nisqa", "peer:pesq"]) == ("peer:nisqa", ["peer:pesq"])

    def test_one_that_is_there_twice_is_refused(self):
        with pytest.raises(UsageError, match="--judge mini is there twice"):
            split(["mini", "mini"])


class TestScore:
    ASKED = ("score", "clips/0.wav", "--rubric", "mos", "--judge", "peer:loud")

    def test_a_column_each(self, run, folder, loud):
        code, *_ = run(*self.ASKED, "--output", "s.csv")
        (row,) = table(folder / "s.csv")
        assert code == 0
        assert float(row["peer:loud_mos"]) == pytest.approx(
            peers.load_peer("loud").score("clips/0.wav")["mos"], abs=1e-4
        )
        assert (row["peer_judges"], "peer:loud_hum" in row, row["mos"] != "") == ("peer:loud", False, True)

    def test_rows_are_those_of_the_judge_and_more(self, run, loud):
        (alone,) = lines(run(*self.ASKED[:4])[1])
        (row,) = lines(run(*self.ASKED)[1])
        assert set(row) - set(alone) == {"peer_scores", "peer_judges"}
        assert row["scores"] == alone["scores"]
        assert row["peer_scores"].keys() == {"peer:loud"}

    def test_another_judge_may_stand_beside(self, run, judge_folder):
        (row,) = lines(run(*self.ASKED[:4], "--judge", "mini")[1])
        assert row["peer_judges"] == [str(judge_folder)]
        # The tests load the same judge by every name
        assert row["peer_scores"][str(judge_folder)]["mos"] == pytest.approx(row["scores"]["mos"], abs=1e-3)

    def test_what_a_peer_cannot_score_is_said(self, run, loud):
        code, out, err = run(*self.ASKED[:4], "--judge", "peer:double")
        (row,) = lines(out)
        assert (code, row["peer_scores"]) == (0, {"peer:double": {"mos": None}})
        assert row["warnings"] == [
            "peer:double: clips/0.wav: double compares with the undegraded original, and there is none"
        ]
        assert "1 with warnings" in err

    def test_a_clip_is_as_long_as_was_allowed(self, folder, loud):
        item = Item({}, str(folder / "clips/0.wav"))
        (long,), (short,) = (load(["peer:loud"], longest_hours=hours)[0].ask([item], (), None) for hours in (2.0, 1e-5))
        assert (long["mos"] > 0, "at most 1e-05 h are judged" in short) == (True, True)

    def test_the_original_is_heard(self, run, loud):
        (row,) = lines(run(*self.ASKED[:4], "--judge", "peer:double", "--reference", "clips/0.wav")[1])
        assert row["peer_scores"]["peer:double"]["mos"] > 0

    def test_a_table_has_them(self, run, loud):
        code, out, _ = run(*self.ASKED, "--table")
        assert code == 0
        assert "peer:loud_mos" in out.splitlines()[0]

    def test_an_error_stays_in_its_place(self, run, loud):
        code, out, _ = run("score", "missing.wav", *self.ASKED[1:])
        bad, good = lines(out)
        assert (code, "error" in bad, good["path"], "peer_scores" in good) == (1, True, "clips/0.wav", True)

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (("--explain",), "words are those of one judge"),
            (("--judge", "peer:hum"), "--judge peer:hum scores hum; none of mos"),
            (("--judge", "peer:nobody"), "no peer 'nobody'; known: "),
        ],
    )
    def test_refuses(self, run, loud, more, message):
        code, _, err = run(*self.ASKED, *more)
        assert (code, message in err) == (2, True)


class TestMeasuresAlone:
    """No judge is loaded: `shell` names none."""

    ASKED = ("score", "clips/0.wav", "missing.wav", "--judge", "peer:loud")

    def test_a_measure_fills_the_row(self, shell, loud):
        code, out, _ = shell(*self.ASKED, "--rubric", "mos")
        good, bad = lines(out)
        expected = peers.load_peer("loud").score("clips/0.wav")["mos"]
        assert code == 1
        assert good["scores"] == {"mos": pytest.approx(expected, abs=1e-4)}
        assert (good["model"], good["scale"], good["std"]) == ("peer:loud", "1-5", {"mos": None})
        assert "missing.wav: no such file" in bad["error"]

    def test_another_stands_beside_it(self, shell, loud):
        good, _ = lines(shell(*self.ASKED, "--rubric", "mos", "--judge", "peer:double")[1])
        assert good["peer_scores"] == {"peer:double": {"mos": None}}

    def test_a_table_and_a_page(self, shell, loud, folder):
        code, out, err = shell(
            "score", "clips", "--judge", "peer:loud", "--rubric", "mos", "--table", "--output", "s.html"
        )
        assert (code, out.splitlines()[0].split()) == (0, ["clip", "seconds", "mos", "in", "words"]), err
        assert "peer:loud" in (folder / "s.html").read_text()

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (("--explain",), "--explain with --judge peer:loud"),
            (("--scale", "0-100"), "--scale with --judge peer:loud"),
            (("--listener", "strict"), "--listener with --judge peer:loud"),
            (("--revision", "main"), "--revision with --judge peer:loud"),
            (("--rubric", "loudness"), "--judge peer:loud scores mos, noisiness; leave out --rubric loudness"),
        ],
    )
    def test_refuses(self, shell, loud, more, message):
        code, _, err = shell(*self.ASKED, *more)
        assert (code, message in err) == (2, True), err

    def test_other_commands_need_a_judge(self, shell, loud):
        assert shell("explain", "clips/0.wav", "--judge", "peer:loud")[0] == 2


class TestBatches:
    def test_judges_beside_are_asked_about_several_clips_at_a_time(self, run, loaded, monkeypatch):
        sizes, score = [], type(loaded).score
        monkeypatch.setattr(
            type(loaded), "score", lambda self, clips, **how: sizes.append(len(clips)) or score(self, clips, **how)
        )
        words = (
            "score",
            "clips/0.wav",
            "missing.wav",
            "clips/1.wav",
            "clips/2.wav",
            "--rubric",
            "mos",
            "--batch-size",
            "3",
        )
        rows = lines(run(*words, "--judge", "mini")[1])
        assert sizes == [2, 1]  # of the first three one could not be read
        assert ["peer_scores" in row for row in rows] == [True, False, True, True]
        assert all(
            one["mos"] == pytest.approx(row["scores"]["mos"], abs=1e-3)
            for row in rows
            if "error" not in row
            for one in row["peer_scores"].values()
        )
