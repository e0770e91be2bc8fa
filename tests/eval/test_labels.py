import json

import soundfile
from tiny import tone

from audio_judge.corpora.table import read_on_our_scales
from audio_judge.rubrics.rubric import Scale
from eval import labels
from eval.peers import LoadedPeer, Peer


def clips_and_peer(tmp_path, monkeypatch):
    """Two clips and a file that is none; a peer that scores their length in seconds on 0 to 2."""
    (tmp_path / "clips").mkdir()
    for seconds in (0.5, 1.0):
        soundfile.write(tmp_path / "clips" / f"{seconds}.wav", tone(seconds), 48_000)
    (tmp_path / "clips" / "broken.wav").write_text("no sound")
    peer = Peer("length", ("mos",), 48_000, "", lambda _: None, scale=Scale(0.0, 2.0, "0-2"))
    loaded = LoadedPeer("length", peer, lambda samples, _: {"mos": len(samples) / 48_000})
    monkeypatch.setattr(labels, "load_peer", lambda name: loaded)
    return [str(tmp_path / "clips")], tmp_path / "labels.jsonl"


def test_scores_come_on_our_scales_and_a_table_reads_them(tmp_path, monkeypatch):
    places, out = clips_and_peer(tmp_path, monkeypatch)
    assert labels.label_clips(places, "length", out) == (2, 1)
    found = list(read_on_our_scales(out, {"path": "path", "ratings": {"mos": "mos"}}))
    assert [clip.ratings["mos"].value for clip in found] == [2.0, 3.0]
    assert "broken.wav" in next(row for row in map(json.loads, out.open()) if "error" in row)["error"]


def test_a_stopped_run_goes_on(tmp_path, monkeypatch):
    places, out = clips_and_peer(tmp_path, monkeypatch)
    labels.label_clips([f"{places[0]}/0.5.wav"], "length", out)
    assert labels.label_clips(places, "length", out) == (1, 1)
    assert len(out.read_text().splitlines()) == 3
