import json

import pytest
import soundfile
from tiny import tone

from audio_judge.corpora.table import read_on_our_scales
from audio_judge.errors import UsageError
from audio_judge.eval import cli, labels
from audio_judge.eval.judges import Answer, PeerJudge
from audio_judge.eval.peers import LoadedPeer, Peer
from audio_judge.rubrics.rubric import Scale

COLUMNS = {"path": "path", "corpus": "source", "ratings": {"mos": "mos"}}


@pytest.fixture
def clips(tmp_path):
    """Two clips and a file that is none."""
    (tmp_path / "clips").mkdir()
    for seconds in (0.5, 1.0):
        soundfile.write(tmp_path / "clips" / f"{seconds}.wav", tone(seconds), 48_000)
    (tmp_path / "clips" / "broken.wav").write_text("no sound")
    return str(tmp_path / "clips")


@pytest.fixture
def peer(monkeypatch):
    """A peer that scores the length of clips in seconds on 0 to 2."""
    known = Peer("length", ("mos",), 48_000, "", lambda _: None, scale=Scale(0.0, 2.0, "0-2"))
    loaded = LoadedPeer("length", known, lambda samples, _: {"mos": len(samples) / 48_000})
    monkeypatch.setattr(labels, "PEERS", {"length": known})
    monkeypatch.setattr(labels, "load_judge", lambda spec: PeerJudge(loaded))
    return "peer:length"


class Half:
    """A judge that says something of every other clip, and nothing on loudness."""

    def rubrics_for(self, task, rubrics):
        return tuple(rubric for rubric in rubrics if rubric.name != "loudness") or "it cannot"

    def answer(self, questions):
        return [
            Answer({"scores": {rubric.name: 9.0 for rubric in one.rubrics[:1]}}) if "0.5" in one.id else Answer()
            for one in questions
        ]


class TestLabelClips:
    def test_scores_come_on_our_scales_and_a_table_reads_them(self, clips, peer, tmp_path):
        out = tmp_path / "labels.jsonl"
        assert labels.label_clips([clips], peer, out) == (2, 1)
        found = list(read_on_our_scales(out, COLUMNS))
        assert [(clip.ratings["mos"].value, clip.corpus) for clip in found] == [(2.0, peer), (3.0, peer)]
        assert "broken.wav" in next(row for row in map(json.loads, out.open()) if "error" in row)["error"]

    def test_a_stopped_run_goes_on(self, clips, peer, tmp_path):
        out = tmp_path / "labels.jsonl"
        labels.label_clips([f"{clips}/0.5.wav"], peer, out)
        assert labels.label_clips([clips], peer, out) == (1, 1)
        assert len(out.read_text().splitlines()) == 3

    def test_who_labels_has_a_file_of_their_own(self, clips, peer, tmp_path):
        (tmp_path / "labels.jsonl").write_text('{"path": "a.wav", "source": "mini", "mos": 3}\n')
        with pytest.raises(UsageError, match=r"labels\.jsonl:1: source is 'mini', not 'peer:length'"):
            labels.label_clips([clips], peer, tmp_path / "labels.jsonl")

    def test_any_judge_and_what_it_does_not_say_is_missing(self, clips, tmp_path, monkeypatch):
        monkeypatch.setattr(labels, "load_judge", lambda spec: Half())
        out = tmp_path / "labels.jsonl"
        assert labels.label_clips([clips], "some/judge", out, ("mos", "loudness", "noisiness")) == (1, 2)
        rows = {row["path"].rpartition("/")[2]: row for row in map(json.loads, out.open())}
        assert (rows["0.5.wav"]["mos"], rows["0.5.wav"]["noisiness"], "loudness" in rows["0.5.wav"]) == (
            5.0,
            None,
            False,
        )
        assert (rows["1.0.wav"]["mos"], rows["1.0.wav"]["error"]) == (None, "no answer")
        columns = COLUMNS | {"ratings": {"mos": "mos", "noisiness": "noisiness"}}
        assert [set(clip.ratings) for clip in read_on_our_scales(out, columns)] == [{"mos"}]

    def test_none_of_the_rubrics(self, clips, tmp_path, monkeypatch):
        monkeypatch.setattr(labels, "load_judge", lambda spec: Half())
        with pytest.raises(UsageError, match="some/judge: it cannot"):
            labels.label_clips([clips], "some/judge", tmp_path / "x.jsonl", ("loudness",))

    def test_a_peer_that_needs_the_original(self, clips, tmp_path):
        with pytest.raises(UsageError, match="peer:pesq compares with the original"):
            labels.label_clips([clips], "peer:pesq", tmp_path / "x.jsonl")

    def test_what_breaks_within_a_judge_is_no_fault_of_the_request(self, clips, tmp_path, monkeypatch):
        monkeypatch.setattr(labels, "load_judge", lambda spec: json.loads("{"))
        with pytest.raises(json.JSONDecodeError):
            cli.main(["label", clips, "--judge", "mini", "--out", str(tmp_path / "x.jsonl")])


def test_on_the_command_line(clips, peer, tmp_path, capsys):
    out = tmp_path / "labels.jsonl"
    assert cli.main(["label", clips, "--peer", "length", "--out", str(out)]) == 1
    assert "2 clips scored, 1 could not be" in capsys.readouterr().out
    assert cli.main(["label", clips, "--judge", "mini", "--rubric", "warmth", "--out", str(tmp_path / "y")]) == 2
