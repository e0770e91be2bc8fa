"""The reader of a prompt's clips; how a prompt is laid out is tested with the examples in ``tests/data``."""

import numpy as np
import pytest
import soundfile
from tiny import tone

from audio_judge.audio import AudioError, read_audio, resample
from audio_judge.clips import RatedClip
from audio_judge.messages import audio_blocks, clip_state, read_clips

RATE = 16_000


@pytest.fixture
def wav(tmp_path):
    soundfile.write(tmp_path / "c.wav", tone(1.1, 300, RATE), RATE, subtype="FLOAT")
    return str(tmp_path / "c.wav")


class TestAudioBlocks:
    def test_prompt_that_waits_for_its_answer(self):
        prompt = [{"role": "system", "content": "Listen."}, {"role": "user", "content": clip_state("a.wav", "b.wav")}]
        assert [block["role"] for block in audio_blocks({"prompt": prompt})] == ["degraded", "reference"]


class TestReadClips:
    def test_reference_is_aligned(self, tmp_path):
        sound = np.random.default_rng(0).normal(scale=0.1, size=RATE).astype(np.float32)
        late = np.concatenate([np.zeros(2400, np.float32), sound])
        for name, samples in (("clean", sound), ("late", late)):
            soundfile.write(tmp_path / f"{name}.wav", samples, RATE, subtype="FLOAT")
        degraded, reference = read_clips(clip_state(tmp_path / "late.wav", tmp_path / "clean.wav")[1::2], RATE)
        assert np.array_equal(degraded.samples, reference.samples)
        assert (len(degraded.samples), degraded.start, reference.start) == (RATE, 0.15, 0.0)
        early, whole = read_clips(clip_state(tmp_path / "clean.wav", tmp_path / "late.wav")[1::2], RATE)
        assert (len(early.samples), early.start, whole.start) == (RATE, 0.0, 0.15)

    def test_stereo_at_another_rate(self, tmp_path):
        left, right = tone(0.5, 300, 44_100), tone(0.5, 900, 44_100)
        soundfile.write(tmp_path / "x.wav", np.stack([left, right], 1), 44_100, subtype="FLOAT")
        (clip,) = read_clips(clip_state(tmp_path / "x.wav"), RATE)
        assert np.allclose(clip.samples, resample((left + right) / 2, 44_100, RATE), atol=1e-5)

    def test_part_of_a_file(self, wav):
        part = RatedClip(wav, {}, "train", "test", start_time=0.25, end_time=0.75)
        (clip,) = read_clips(clip_state(part), RATE)
        assert np.array_equal(clip.samples, read_audio(wav).samples[4000:12000])
        assert clip.start == 0.25

    def test_beginning_of_a_longer_clip_is_kept(self, wav):
        (clip,) = read_clips(clip_state(wav), RATE, max_seconds=0.25)
        assert np.array_equal(clip.samples, read_audio(wav).samples[: RATE // 4])

    def test_place_of_the_crop_is_drawn_from_the_seed(self, wav):
        whole = read_audio(wav).samples
        crops = [read_clips(clip_state(wav), RATE, 0.25, seed)[0] for seed in (1, 1, 2)]
        assert crops[0].start == crops[1].start != crops[2].start
        for crop in crops:
            first = round(crop.start * RATE)
            assert np.array_equal(crop.samples, whole[first : first + RATE // 4])

    def test_all_clips_are_cropped_at_one_place(self, wav):
        degraded, reference = read_clips(clip_state(wav, wav)[1::2], RATE, 0.25, 3)
        assert np.array_equal(degraded.samples, reference.samples)

    def test_sound_in_the_block_is_refused(self):
        with pytest.raises(AudioError, match="gives its clip as a `path`"):
            read_clips(clip_state(np.zeros(RATE)), RATE)
