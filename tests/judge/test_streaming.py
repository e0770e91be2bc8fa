import itertools

import numpy as np
import pytest
import soundfile
import torch
from tiny import make_judge, tone

from audio_judge.audio import AudioError
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.reader import Reader
from audio_judge.judge.requests import Request
from audio_judge.judge.streaming import pieces, sliding_windows
from audio_judge.rubrics.rubric import get_rubric

RATE = 8000
SOUND = np.concatenate([tone(2.0, 300, RATE), tone(2.0, 1500, RATE), tone(1.0, 700, RATE)])


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    model, processor = make_judge(tmp_path_factory.mktemp("stream"))
    processor.window_seconds = 2.0
    return AudioJudge(model, processor, name="tiny")


class TestIntegers:
    def heard(self, judge, samples):
        """The same clip as heard by `score`, by `stream` and by who hands it to the processor."""
        mos = get_rubric("mos")
        block = {"type": "audio", "audio": samples, "sampling_rate": RATE}
        inputs, _ = judge.processor.decision_inputs([{"state": [block], "questions": {"mos": mos.question()}}])
        return (
            judge.score((samples, RATE), rubric="mos")["mos"].value,
            next(iter(judge.stream([samples], RATE, rubrics="mos")))["mos"].value,
            float(judge.model.decide(**inputs)[0].numpy() @ mos.level_values),
        )

    @pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.int32])
    def test_are_heard_as_floats_are(self, judge, kind):
        bits, rest = np.iinfo(kind).bits, 128 if kind == np.uint8 else 0
        steps = np.round(SOUND[: 2 * RATE] * 128)  # what eight bits hold exactly
        steps[[0, -1]] = 1  # silence at the ends is left out by `score` alone
        integers = (steps * 2.0 ** (bits - 8) + rest).astype(kind)
        expected = judge.score((steps.astype(np.float32) / 128, RATE), rubric="mos")["mos"].value
        assert self.heard(judge, integers) == pytest.approx((expected,) * 3, abs=1e-5)


class TestTimeline:
    def test_is_that_of_the_score(self, judge):
        windows = list(judge.timeline((SOUND, RATE)))
        expected = judge.score((SOUND, RATE)).timeline
        assert [(one.start, one.end) for one in windows] == [(0, 2), (2, 4), (4, 5)]
        for one, other in zip(windows, expected, strict=True):
            assert one.scores == pytest.approx(other.scores, abs=1e-5)

    def test_overlapping_windows(self, judge):
        windows = list(judge.timeline((SOUND, RATE), rubrics="mos", window_seconds=2.0, hop_seconds=1.0, batch_size=3))
        assert [(one.start, one.end) for one in windows] == [(0, 2), (1, 3), (2, 4), (3, 5)]
        alone = judge.score((SOUND[RATE : 3 * RATE], RATE), rubric="mos")["mos"].value
        assert windows[1].scores == pytest.approx({"mos": alone}, abs=1e-5)

    def test_comes_while_the_file_is_read(self, judge, tmp_path):
        soundfile.write(tmp_path / "long.flac", np.tile(SOUND, 24), RATE)
        first = list(itertools.islice(judge.timeline(tmp_path / "long.flac", rubrics="mos", batch_size=2), 3))
        assert [one.start for one in first] == [0, 2, 4]

    def test_no_more_than_a_batch_is_kept(self, judge, tmp_path, monkeypatch):
        soundfile.write(tmp_path / "long.wav", np.tile(SOUND, 6), RATE)
        sizes = []
        original = Reader.decide
        monkeypatch.setattr(Reader, "decide", lambda self, s, asked: sizes.append(len(s)) or original(self, s, asked))
        assert len(list(judge.timeline(tmp_path / "long.wav", rubrics="mos", batch_size=4))) == 15
        assert sizes == [4, 4, 4, 3]

    def test_part_with_a_reference(self, judge):
        request = Request((SOUND, RATE), (SOUND, RATE), start_time=1.0, end_time=4.0)
        assert [(one.start, one.end) for one in judge.timeline(request, rubrics="mos")] == [(0, 2), (2, 3)]

    def test_bad_clip_raises(self, judge, tmp_path):
        with pytest.raises(AudioError, match=r"missing\.wav"):
            list(judge.timeline(tmp_path / "missing.wav"))


class TestSlidingWindows:
    @pytest.mark.parametrize("seconds", [0.3, 1.0, 1.05, 2.5, 2.99])
    @pytest.mark.parametrize("hop", [0.3, 0.5, 1.0])
    def test_nothing_is_left_out_and_samples_are_those_of_the_clip(self, seconds, hop):
        samples = tone(seconds, 300, RATE)
        heard = np.zeros(len(samples), bool)
        for start, end, audio in sliding_windows((samples, RATE), 1.0, hop):
            first = round(start * RATE)
            assert len(audio.samples) == round((end - start) * RATE) <= RATE or hop == 1.0
            assert np.array_equal(audio.samples, samples[first : first + len(audio.samples)])
            heard[first : first + len(audio.samples)] = True
        assert heard.all()

    @pytest.mark.parametrize("hop", [None, 0.5])
    def test_part_in_times_of_the_clip(self, hop):
        (first, *_, last) = sliding_windows((SOUND, RATE), 1.0, hop, start_time=1.25, end_time=4.0)
        assert (first[0], last[1]) == (1.25, 4.0)
        np.testing.assert_array_equal(first[2].samples, SOUND[round(1.25 * RATE) : round(2.25 * RATE)])
        np.testing.assert_array_equal(last[2].samples[-9:], SOUND[4 * RATE - 9 : 4 * RATE])

    def test_hop_longer_than_the_window_is_refused(self):
        with pytest.raises(ValueError, match=r"hop_seconds 2\.0"):
            list(sliding_windows((SOUND, RATE), 1.0, 2.0))


class TestStream:
    def test_last_verdict_is_that_of_the_whole_call(self, judge):
        verdicts = list(judge.stream(np.split(SOUND, 50), RATE, every_seconds=1.0))
        assert [verdict.seconds for verdict in verdicts] == [1, 2, 3, 4, 5]
        whole = judge.score((SOUND, RATE))
        assert verdicts[-1]["mos"].value == pytest.approx(whole["mos"].value, abs=1e-5)
        assert verdicts[-1]["mos"].shares == pytest.approx(whole["mos"].shares, abs=1e-5)

    def test_verdict_is_that_of_what_was_heard_so_far(self, judge):
        third = list(judge.stream([SOUND], RATE, every_seconds=1.0))[2]
        assert third["mos"].value == pytest.approx(judge.score((SOUND[: 3 * RATE], RATE))["mos"].value, abs=1e-5)
        assert [(window.start, window.end) for window in third.timeline] == [(2, 3)]

    def test_the_end_of_a_window_is_no_time_for_a_verdict(self, judge):
        # Windows end at 2 and 4 s
        verdicts = list(judge.stream(np.split(SOUND, 50), RATE, every_seconds=1.5, rubrics="mos"))
        assert [verdict.seconds for verdict in verdicts] == [1.5, 3, 4.5, 5]
        expected = judge.score((SOUND, RATE), rubric="mos")["mos"].value
        assert verdicts[-1]["mos"].value == pytest.approx(expected, abs=1e-5)

    def test_a_call_that_ends_with_a_window_has_a_last_verdict(self, judge):
        verdicts = list(judge.stream([SOUND[: 4 * RATE]], RATE, every_seconds=3.0, rubrics="mos"))
        assert [verdict.seconds for verdict in verdicts] == [3, 4]

    def test_size_of_the_chunks_does_not_matter(self, judge):
        for chunks in (np.array_split(SOUND, 7), [torch.from_numpy(SOUND)], np.array_split(SOUND, 999)):
            values = [verdict["mos"].value for verdict in judge.stream(chunks, RATE, every_seconds=1.5)]
            expected = [verdict["mos"].value for verdict in judge.stream([SOUND], RATE, every_seconds=1.5)]
            assert values == pytest.approx(expected, abs=1e-5)

    def test_verdicts_come_before_the_call_ends(self, judge):
        def call():
            yield from np.split(SOUND, 5)
            raise AssertionError("read too far")

        assert next(judge.stream(call(), RATE, every_seconds=0.5)).seconds == 0.5

    def test_integers_and_channels(self, judge):
        chunk = (np.stack([SOUND, SOUND]) * 32_767).astype(np.int16)
        (said,) = judge.stream([chunk[:, : 2 * RATE]], RATE, rubrics="mos")
        assert said["mos"].value == pytest.approx(judge.score((SOUND[: 2 * RATE], RATE))["mos"].value, abs=0.01)

    def test_broken_chunk_raises(self, judge):
        with pytest.raises(AudioError, match="stream: sample"):
            list(judge.stream([np.full(RATE, np.nan)], RATE, every_seconds=1.0))

    def test_pause_does_not_count(self, judge):
        calls = SOUND[: 2 * RATE], np.zeros(4 * RATE, np.float32), SOUND[2 * RATE : 4 * RATE]
        for order in ((0, 1), (1, 0), (0, 1, 2), (1, 0, 2)):
            said = list(judge.stream([calls[i] for i in order], RATE, rubrics="mos"))[-1]
            spoken = np.concatenate([calls[i] for i in order if i != 1])
            assert said["mos"].value == pytest.approx(judge.score((spoken, RATE), rubric="mos")["mos"].value, abs=1e-5)
            assert said.seconds == sum(len(calls[i]) for i in order) / RATE

    def test_call_without_sound_says_nothing(self, judge):
        assert list(judge.stream([], RATE)) == []

    def test_too_frequent_verdicts_are_refused(self, judge):
        with pytest.raises(ValueError, match=r"every_seconds 0\.01"):
            list(judge.stream([SOUND], RATE, every_seconds=0.01))


class TestPieces:
    def test_short_piece_hears_a_little_of_what_came_before(self):
        short = list(pieces([SOUND], RATE, 0.5, 2.0))[4]
        assert (short.start, short.end) == (2.0, 2.5)
        assert np.array_equal(short.audio.samples, SOUND[round(1.5 * RATE) : round(2.5 * RATE)])

    def test_rest_of_the_call_comes_last(self):
        ends = [piece.end for piece in pieces(np.split(SOUND[: round(2.7 * RATE)], 10), RATE, 1.0, 2.0)]
        assert ends == [1.0, 2.0, 2.7]
