"""Tests of audio_judge.judge.requests: clips in whatever people hold them."""

import io
from pathlib import Path

import numpy as np
import pandas
import pytest
import soundfile

from audio_judge.audio import audio_info, read_audio
from audio_judge.judge.requests import as_requests

ROW = {"audio": {"path": "a.wav", "bytes": None}, "id": 1}


def wav():
    out = io.BytesIO()
    soundfile.write(out, np.full(800, 0.1), 8000, format="WAV")
    out.seek(0)
    return out


class TestAsRequests:
    @pytest.mark.parametrize(
        "clips",
        [
            ["a.wav", "b.wav"],
            ("a.wav", Path("b.wav")),
            pandas.Series(["a.wav", "b.wav"]),
            np.array(["a.wav", "b.wav"]),
            iter(["a.wav", "b.wav"]),
            ({"path": "a.wav", "bytes": None}, {"path": "b.wav", "bytes": None}),
        ],
    )
    def test_several(self, clips):
        requests, is_single = as_requests(clips)
        found = [one.clip["path"] if isinstance(one.clip, dict) else str(one.clip) for one in requests]
        assert (found, is_single) == (["a.wav", "b.wav"], False)

    @pytest.mark.parametrize("clip", ["a.wav", Path("a.wav"), (np.zeros(800), 8000), ROW, b"RIFF"])
    def test_single(self, clip):
        assert as_requests(clip)[1] is True

    def test_column_of_a_data_set(self):
        import datasets

        data = datasets.Dataset.from_dict({"audio": [{"path": "a.wav", "bytes": None}] * 2, "id": [1, 2]})
        for clips in (data, data["audio"]):
            requests, is_single = as_requests(clips)
            assert ([one.clip["path"] for one in requests], is_single) == (["a.wav", "a.wav"], False)

    def test_open_file_is_read_once(self):
        (request,), _ = as_requests(wav())
        assert [audio_info(request.clip).seconds, read_audio(request.clip).seconds] == [0.1, 0.1]

    def test_file_that_was_just_written_is_at_its_end(self):
        file = wav()
        file.seek(0, io.SEEK_END)
        (request,), _ = as_requests(file)
        assert audio_info(request.clip).seconds == 0.1

    def test_pairs_of_samples_and_rate_are_several(self):
        pair = (np.zeros(800), 8000)
        assert len(as_requests((pair, pair, pair))[0]) == len(as_requests((pair, pair))[0]) + 1 == 3

    def test_bare_samples_lead_to_their_rate(self):
        with pytest.raises(ValueError, match=r"a list of 800 numbers; give samples with their rate"):
            as_requests([0.0] * 800)

    def test_open_file_without_a_judge(self):
        file = wav()
        assert [audio_info(file).seconds, read_audio(file).seconds] == [0.1, 0.1]

    def test_table_leads_to_its_column(self):
        with pytest.raises(ValueError, match=r"give one of its columns, such as table\['path'\]"):
            as_requests(pandas.DataFrame({"path": ["a.wav"]}))
