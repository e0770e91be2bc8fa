"""Tests of audio_judge.audio: synthetic signals, files made in a temporary folder."""

import io
import itertools
import struct
import sys
import types

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from audio_judge import audio as audio_module
from audio_judge.audio import (
    Audio,
    AudioError,
    align,
    audio_info,
    iter_windows,
    lay_beside,
    listen,
    read_audio,
    resample,
    torchaudio_is_usable,
)
from audio_judge.processing_audio_judge import is_silent, windows

RATE = 16_000


def tone(seconds=1.0, rate=RATE, frequency=440.0, level=0.3):
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def noise(seconds=1.0, rate=RATE, level=0.1, seed=0):
    return np.random.default_rng(seed).normal(scale=level, size=round(seconds * rate)).astype(np.float32)


def speech_like(seconds=3.0, rate=RATE, seed=0):
    """Noise and a gliding buzz under a syllable-like envelope, with silence between."""
    generator = np.random.default_rng(seed)
    knots = np.linspace(0, seconds, int(seconds * 8) + 1)
    time = np.arange(round(seconds * rate)) / rate
    envelope = np.interp(time, knots, generator.uniform(0, 1, len(knots)) ** 2)
    phase = 2 * np.pi * np.cumsum(np.interp(time, knots, generator.uniform(90, 220, len(knots)))) / rate
    buzz = sum(np.sin(k * phase) / k for k in range(1, 15))
    return (0.1 * envelope * (buzz + 0.3 * generator.standard_normal(len(time)))).astype(np.float32)


def delayed(samples, frames):
    """Later by ``frames`` at unchanged length; earlier if negative."""
    if frames >= 0:
        return np.concatenate([np.zeros(frames, np.float32), samples[: len(samples) - frames]])
    return np.concatenate([samples[-frames:], np.zeros(-frames, np.float32)])


class FakeDecoder:
    """The interface of torchcodec's AudioDecoder."""

    def __init__(self, samples, rate):
        self.samples, self.rate = samples, rate

    def get_all_samples(self):
        return types.SimpleNamespace(data=torch.from_numpy(self.samples)[None], sample_rate=self.rate)


@pytest.fixture
def samples():
    # On the int16 grid, so that every form can hold it exactly.
    return (np.round(noise() * 32768).clip(-32768, 32767) / 32768).astype(np.float32)


@pytest.fixture
def wav(tmp_path, samples):
    path = tmp_path / "clip.wav"
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    return path


class TestReadAudio:
    @pytest.mark.parametrize(
        "form",
        [
            lambda path, x: path,
            lambda path, x: str(path),
            lambda path, x: path.read_bytes(),
            lambda path, x: bytearray(path.read_bytes()),
            lambda path, x: (x, RATE),
            lambda path, x: (x.tolist(), RATE),
            lambda path, x: (x.astype(np.float64), np.int64(RATE)),
            lambda path, x: ((x * 32768).astype(np.int16), RATE),
            lambda path, x: (torch.from_numpy(x), RATE),
            lambda path, x: (torch.from_numpy(x)[None].requires_grad_(), float(RATE)),
            lambda path, x: {"array": x, "sampling_rate": RATE, "path": None},
            lambda path, x: {"path": str(path)},
            lambda path, x: {"bytes": None, "path": str(path)},
            lambda path, x: {"bytes": path.read_bytes(), "path": "gone.wav"},
            lambda path, x: FakeDecoder(x, RATE),
            lambda path, x: Audio(x, RATE, "clip"),
        ],
    )
    def test_every_form_is_the_same_clip(self, wav, samples, form):
        clip = read_audio(form(wav, samples))
        np.testing.assert_array_equal(clip.samples, samples)
        assert (clip.samples.dtype, clip.sampling_rate, clip.seconds) == (np.float32, RATE, 1.0)

    @pytest.mark.parametrize(
        ("dtype", "full", "zero"),
        [(np.int8, 64, 0), (np.int16, 16384, 0), (np.int32, 2**30, 0), (np.uint8, 192, 128)],
    )
    def test_integers_are_scaled_by_their_full_scale(self, dtype, full, zero):
        clip = read_audio((np.array([full, zero] * 1000, dtype=dtype), RATE))
        np.testing.assert_array_equal(clip.samples[:2], [0.5, 0.0])

    def test_bfloat16_tensor(self):
        assert read_audio((torch.full((RATE,), 0.5, dtype=torch.bfloat16), RATE)).samples[0] == 0.5

    @pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
    def test_wav_subtypes(self, tmp_path, samples, subtype):
        soundfile.write(tmp_path / "x.wav", samples, RATE, subtype=subtype)
        atol = 1 / 128 if subtype == "PCM_U8" else 1e-6
        np.testing.assert_allclose(read_audio(tmp_path / "x.wav").samples, samples, atol=atol)

    @pytest.mark.parametrize(("file_name", "atol"), [("x.flac", 1e-4), ("x.mp3", 0.05), ("x.ogg", 0.05)])
    def test_compressed_formats(self, tmp_path, file_name, atol):
        soundfile.write(tmp_path / file_name, tone(), RATE)
        np.testing.assert_allclose(read_audio(tmp_path / file_name).samples[4000:12000], tone()[4000:12000], atol=atol)

    def test_opus(self, tmp_path):
        soundfile.write(tmp_path / "x.opus", tone(rate=48000), 48000, format="OGG", subtype="OPUS")
        clip = read_audio(tmp_path / "x.opus")
        np.testing.assert_allclose(clip.samples[9600:38400], tone(rate=48000)[9600:38400], atol=0.05)

    def test_stereo_file_is_averaged(self, tmp_path):
        left, right = np.full(RATE, 0.5), np.full(RATE, -0.25)
        soundfile.write(tmp_path / "stereo.wav", np.stack([left, right], axis=1), RATE)
        np.testing.assert_array_equal(read_audio(tmp_path / "stereo.wav").samples, 0.125)

    @pytest.mark.parametrize("axis", [0, 1])
    def test_stereo_array_is_averaged_over_the_shorter_axis(self, samples, axis):
        stereo = np.stack([samples, np.zeros_like(samples)], axis=axis)
        np.testing.assert_array_equal(read_audio((stereo, RATE)).samples, samples / 2)

    def test_names(self, wav, samples):
        assert read_audio(wav).name == str(wav)
        assert read_audio(wav, name="my clip").name == "my clip"
        assert read_audio({"bytes": wav.read_bytes(), "path": "row.wav"}).name == "row.wav"
        assert read_audio(Audio(samples, RATE, "kept")).name == "kept"

    @pytest.mark.parametrize("kind", ["WAV", "FLAC", "MP3", "VORBIS", "OPUS", "array"])
    def test_part_is_the_slice_of_the_whole(self, tmp_path, kind):
        # A tone, because libsndfile's seek goes wrong in low-bitrate MP3 and not in the MP3 of noise.
        path = tmp_path / "part.audio"
        container = {"VORBIS": "OGG", "OPUS": "OGG"}.get(kind, kind)
        if kind != "array":
            soundfile.write(path, tone(12), RATE, format=container, subtype=None if container == kind else kind)
        source = (tone(12), RATE) if kind == "array" else path
        part = read_audio(source, start_time=7.25, end_time=9.5)
        expected = read_audio(source).samples[round(7.25 * RATE) : round(9.5 * RATE)]
        np.testing.assert_allclose(part.samples, expected, atol=1e-6)

    def test_start_time_alone_reads_to_the_end(self, wav, samples):
        np.testing.assert_array_equal(read_audio(wav, start_time=0.5).samples, samples[8000:])

    def test_long_file_is_read_in_blocks(self, tmp_path):
        long = noise(9.0, level=0.1)  # more than two blocks
        soundfile.write(tmp_path / "long.wav", long, RATE, subtype="FLOAT")
        np.testing.assert_array_equal(read_audio(tmp_path / "long.wav").samples, long)

    def test_flac_of_unknown_length(self, tmp_path):
        soundfile.write(tmp_path / "pipe.flac", tone(), RATE)
        flac = bytearray((tmp_path / "pipe.flac").read_bytes())
        flac[21] &= 0xF0  # the 36 bits of the number of samples in STREAMINFO
        flac[22:26] = bytes(4)
        assert read_audio(bytes(flac)).seconds == 1.0
        assert audio_info(bytes(flac)).seconds == 1.0

    @pytest.mark.parametrize("announced", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
    def test_wav_written_to_a_pipe_is_whole(self, wav, samples, announced):
        data = bytearray(wav.read_bytes())
        data[40:44] = struct.pack("<I", announced)
        np.testing.assert_array_equal(read_audio(bytes(data)).samples, samples)

    def test_header_a_few_bytes_wrong_is_forgiven(self, wav, samples):
        data = bytearray(wav.read_bytes())
        data[40:44] = struct.pack("<I", 2 * RATE + 44)
        np.testing.assert_array_equal(read_audio(bytes(data)).samples, samples)


class TestBadFiles:
    def fails(self, path, words):
        with pytest.raises(AudioError, match=words) as error:
            read_audio(path)
        assert str(error.value).startswith(f"{path}: ")

    def test_missing(self, tmp_path):
        self.fails(tmp_path / "missing.wav", "no such file")

    def test_folder(self, tmp_path):
        self.fails(tmp_path, "not a file")

    def test_empty(self, tmp_path):
        (tmp_path / "empty.wav").touch()
        self.fails(tmp_path / "empty.wav", "empty file")

    def test_no_samples(self, tmp_path):
        soundfile.write(tmp_path / "header.wav", np.zeros(0), RATE)
        self.fails(tmp_path / "header.wav", "no samples")

    def test_renamed_text(self, tmp_path):
        (tmp_path / "text.wav").write_text("this is not a sound\n" * 100)
        self.fails(tmp_path / "text.wav", "cannot be opened .* convert others to wav")

    def test_headerless_raw(self, tmp_path):
        (tmp_path / "x.raw").write_bytes(bytes(32000))
        self.fails(tmp_path / "x.raw", "cannot be opened")

    @pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "aiff", "au", "ogg", "opus"])
    def test_truncated(self, tmp_path, kind):
        path = tmp_path / f"cut.{kind}"
        form = {"opus": ("OGG", "OPUS"), "ogg": ("OGG", "VORBIS")}.get(kind, (kind.upper(), None))
        soundfile.write(path, noise(3), RATE, format=form[0], subtype=form[1])
        whole = path.read_bytes()
        path.write_bytes(whole[: int(0.6 * len(whole))])
        self.fails(path, "truncated")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_not_finite(self, tmp_path, value):
        broken = tone()
        broken[123] = value
        soundfile.write(tmp_path / "broken.wav", broken, RATE, subtype="FLOAT")
        self.fails(tmp_path / "broken.wav", "sample 123 is (nan|inf)")

    def test_too_short(self, tmp_path):
        soundfile.write(tmp_path / "short.wav", tone(0.02), RATE)
        self.fails(tmp_path / "short.wav", r"0\.02 s; at least 0\.1 s needed")

    def test_shortest_clip_is_read(self, tmp_path):
        soundfile.write(tmp_path / "shortest.wav", tone(0.1, 44100), 44100)
        assert read_audio(tmp_path / "shortest.wav").seconds == 0.1

    @pytest.mark.parametrize("rate", [2000, 400_000])
    def test_rate_out_of_range(self, tmp_path, rate):
        soundfile.write(tmp_path / "rate.wav", np.zeros(rate), rate)
        self.fails(tmp_path / "rate.wav", rf"{rate} Hz; a whole number in 4000\.\.384000")

    def test_float_wav_of_int16_values(self, tmp_path):
        soundfile.write(tmp_path / "scale.wav", tone() * 32768, RATE, subtype="FLOAT")
        self.fails(tmp_path / "scale.wav", "divide by 32768")


class TestBadSources:
    @pytest.mark.parametrize(
        ("source", "words"),
        [
            (tone(), "arrays must come with a sampling rate"),
            (torch.zeros(RATE), "arrays must come with a sampling rate"),
            ([0.0] * RATE, "arrays must come with a sampling rate"),
            ({"array": tone()}, "arrays must come with a sampling rate"),
            ((RATE, tone()), r"got \(rate, array\)"),
            ((tone(), "fast"), "sampling rate is 'fast'"),
            ((tone(), 16000.5), "whole number"),
            ((tone(), float("nan")), "whole number"),
            ((tone(), 10**400), "sampling rate is 1000"),
            (("a.wav", RATE), "give the path alone"),
            (((tone() * 32767).astype(np.int32), RATE), r"int32 samples reach \d+, as if they were int16"),
            (io.StringIO("path,mos"), "open the file as bytes"),
            ("https://a.org/b.wav", "no such file; fetch it first"),
            ("UklGR" * 10_000, r"^(UklGR){40} …: no such file"),
            ((tone() * 32768, RATE), "divide by 32768"),
            ((np.zeros(RATE, np.int64), RATE), "int64 samples have no known full scale"),
            ((np.zeros(RATE, bool), RATE), "bool samples"),
            ((np.zeros((2, 2, RATE)), RATE), "shape"),
            ((np.zeros((400, 400)), RATE), "64 at most"),
            ((np.full(RATE, 1e300), RATE), "sample 0 is inf"),
            (([[0.0], [0.0, 0.0]], RATE), "different length"),
            ((np.zeros(0), RATE), "no samples"),
            ((np.zeros((2, 0)), RATE), "no samples"),
            ({"text": "hello"}, "has .'text'."),
            (b"", "empty file"),
            (7, "cannot read audio from a int"),
        ],
    )
    def test_message(self, source, words):
        with pytest.raises(AudioError, match=words):
            read_audio(source)

    @pytest.mark.parametrize(
        ("start", "end"),
        [(-0.1, None), (None, 1.1), (1.0, None), (0.6, 0.5), (float("nan"), None), (None, float("inf")), (2.0, 3.0)],
    )
    def test_times_outside(self, wav, start, end):
        with pytest.raises(AudioError, match=r"clip\.wav: start_time="):
            read_audio(wav, start_time=start, end_time=end)

    def test_part_too_short(self, wav):
        with pytest.raises(AudioError, match=r"clip\.wav: 0\.05 s; at least"):
            read_audio(wav, start_time=0.5, end_time=0.55)


class TestIterWindows:
    @pytest.mark.parametrize("kind", ["WAV", "FLAC", "MP3", "OGG"])
    def test_windows_of_a_file_are_the_whole_file(self, tmp_path, kind):
        path = tmp_path / "long.audio"
        soundfile.write(path, tone(12.3), RATE, format=kind)
        pieces = list(iter_windows(path, 2.5))
        assert [(start, end) for start, end, _ in pieces] == windows(audio_info(path).seconds, 2.5)
        together = np.concatenate([piece.samples for _, _, piece in pieces])
        # Against one undivided decode by the library: soundfile's own blocks of this MP3 are off by 0.3.
        np.testing.assert_allclose(together, soundfile.read(path, dtype="float32")[0], atol=1e-6)

    def test_array(self, samples):
        pieces = [piece.samples for _, _, piece in iter_windows((samples, RATE), 0.3, minimum=0.1)]
        np.testing.assert_array_equal(np.concatenate(pieces), samples)
        assert len(pieces) == 4

    def test_only_the_window_is_read(self, tmp_path, monkeypatch):
        soundfile.write(tmp_path / "long.wav", np.zeros(60 * RATE, np.int16), RATE)
        asked = []
        read = soundfile.SoundFile.read
        monkeypatch.setattr(soundfile.SoundFile, "read", lambda self, n, **k: asked.append(n) or read(self, n, **k))
        next(iter_windows(tmp_path / "long.wav", 2.0))
        assert sum(asked) == 2 * RATE

    def test_truncated_file_fails_before_its_first_window(self, tmp_path):
        soundfile.write(tmp_path / "cut.flac", noise(30), RATE)
        whole = (tmp_path / "cut.flac").read_bytes()
        (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(AudioError, match=r"cut\.flac: truncated, 14\.\d s of 30 s"):
            next(iter_windows(tmp_path / "cut.flac", 5.0))

    @pytest.mark.parametrize("kind", ["WAV", "FLAC", "MP3", "OGG"])
    def test_part_of_a_file_in_its_own_times(self, tmp_path, kind):
        path = tmp_path / "long.audio"
        soundfile.write(path, tone(6.0), RATE, format=kind)
        pieces = list(iter_windows(path, 2.0, start_time=1.5, end_time=5.0))
        assert [(start, end) for start, end, _ in pieces] == [(1.5, 3.5), (3.5, 5.0)]
        together = np.concatenate([piece.samples for _, _, piece in pieces])
        expected = soundfile.read(path, dtype="float32")[0][round(1.5 * RATE) : 5 * RATE]
        np.testing.assert_allclose(together, expected, atol=1e-6)


class TestListen:
    def padded(self, before, after, seconds=3.0):
        return np.concatenate([np.zeros(round(before * RATE)), noise(seconds), np.zeros(round(after * RATE))])

    @pytest.mark.parametrize("before", [0.0, 0.7003125, 9.0])  # more than a block is read, too
    @pytest.mark.parametrize("after", [0.0, 0.7003125, 9.0])
    def test_digital_silence_around_arrays_and_files(self, tmp_path, before, after):
        clip = self.padded(before, after)
        found = {listen((clip, RATE)).spans}
        for kind in ("WAV", "FLAC"):
            soundfile.write(tmp_path / f"a.{kind}", clip, RATE, format=kind)
            found.add(listen(tmp_path / f"a.{kind}").spans)
        assert found == {((before, before + 3.0),)}

    @pytest.mark.parametrize("kind", ["MP3", "OGG"])
    def test_formats_that_smear(self, tmp_path, kind):
        soundfile.write(tmp_path / "a.audio", self.padded(5.0, 9.0), RATE, format=kind)
        assert listen(tmp_path / "a.audio").spans[0] == pytest.approx((5.0, 8.0), abs=0.1)

    def test_last_bit_is_silence(self):
        dither = np.random.default_rng(0).integers(-1, 2, RATE) / 32768
        clip = np.concatenate([dither, tone() + 0.1, dither])
        assert listen((clip, RATE)).spans == ((1.0, 2.0),)
        assert is_silent(dither)

    @pytest.mark.parametrize(("pause", "count"), [(1.5, 1), (2.5, 2), (30.0, 2)])
    def test_long_pauses_are_no_sound(self, pause, count):
        room = noise(pause, level=1e-4)  # of a quiet room, 60 dB below the voice
        spans = listen((np.concatenate([noise(), room, noise(seed=1)]), RATE)).spans
        assert len(spans) == count
        assert (spans[0][0], spans[-1][1]) == pytest.approx((0.0, 2.0 + pause), abs=1e-3)
        assert sum(end - start for start, end in spans) == pytest.approx(2.0 if count > 1 else 3.5, abs=0.03)

    def test_noise_of_a_noisy_recording_is_sound(self):
        clip = np.concatenate([noise(), noise(6.0, level=0.01), noise(seed=1)])  # 20 dB below
        assert listen((clip, RATE)).spans == ((0.0, 8.0),)

    @pytest.mark.parametrize("cut", [0.005, 0.0103, 0.0377])
    def test_sound_begins_where_it_does_wherever_the_file_begins(self, cut):
        clip = np.concatenate([noise(0.5, level=1e-4), noise() * np.linspace(0, 1, RATE), noise(0.5, level=1e-4)])
        whole, rest = (listen((clip[round(start * RATE) :], RATE)).spans[0] for start in (0.0, cut))
        assert np.add(rest, cut) == pytest.approx(whole, abs=1.1e-3)

    @pytest.mark.parametrize("seconds", [0.02, 6.0])
    def test_a_room_around_it_is_left_out_to_a_millisecond(self, seconds):
        quiet = noise(seconds, level=1e-4)
        ((start, end),) = listen((np.concatenate([quiet, noise(1.5), quiet]), RATE)).spans
        assert (start, end) == pytest.approx((seconds, seconds + 1.5), abs=1.1e-3)

    def test_offset_is_no_sound(self):
        clip = np.concatenate([np.zeros(3 * RATE), tone(), np.zeros(3 * RATE)]) + 0.05
        assert listen((clip, RATE)).spans[0] == pytest.approx((3.0, 4.0), abs=0.02)

    def test_nothing_sounds(self, tmp_path):
        soundfile.write(tmp_path / "a.wav", np.zeros(9 * RATE), RATE)
        assert listen(tmp_path / "a.wav").spans == listen((np.zeros(RATE), RATE)).spans == ()

    @pytest.mark.parametrize(("place", "expected"), [(0, (0.0, 0.1)), (8000, (0.5, 0.6)), (15999, (0.9, 1.0))])
    def test_a_click_gets_as_much_as_can_be_judged(self, place, expected):
        clip = np.zeros(RATE)
        clip[place] = 1
        assert listen((clip, RATE)).spans[0] == pytest.approx(expected)

    def test_what_is_no_number_is_no_silence(self, tmp_path):
        soundfile.write(tmp_path / "a.wav", np.r_[np.nan, np.zeros(RATE)], RATE, subtype="FLOAT")
        assert listen(tmp_path / "a.wav").spans[0][0] == 0


class TestChannels:
    LEFT, RIGHT = tone(), tone(frequency=1000, level=0.1)

    @pytest.mark.parametrize(
        ("channel", "expected"),
        [("mix", (LEFT + RIGHT) / 2), ("loudest", LEFT), ("left", LEFT), ("right", RIGHT), (2, RIGHT), ("1", LEFT)],
    )
    def test_one_of_them_is_heard(self, tmp_path, channel, expected):
        clip = np.stack([self.LEFT, self.RIGHT], axis=1)
        soundfile.write(tmp_path / "a.wav", clip, RATE, subtype="FLOAT")
        for source in (tmp_path / "a.wav", (clip, RATE)):
            np.testing.assert_allclose(read_audio(source, channel=channel).samples, expected, atol=1e-6)
            ((_, _, window),) = iter_windows(source, channel=channel)
            np.testing.assert_allclose(window.samples, expected, atol=1e-6)

    @pytest.mark.parametrize("channel", [0, 3, "centre"])
    def test_one_that_is_not_there(self, channel):
        with pytest.raises(AudioError, match=f"channel {channel!r} of 2 channels"):
            read_audio((np.zeros((2, RATE)), RATE), channel=channel)

    def test_both_sides_play_a_mono_clip(self):
        np.testing.assert_array_equal(read_audio((tone(), RATE), channel="right").samples, tone())

    @pytest.mark.parametrize(
        ("others", "words"),
        [
            ((1.0,), None),
            ((0.6,), None),
            ((-1.0,), "silent beside channel 1"),
            ((-0.9,), "26.0 dB quieter than channel 1"),
            ((0.0,), "all sound is on one side: the mix of its 2 channels is 6.0 dB quieter than channel 1"),
            ((0.0,) * 5, "15.6 dB quieter than channel 1"),
        ],
    )
    def test_a_mix_that_loses_is_said(self, others, words):
        notes = listen((np.stack([tone(), *(share * tone() for share in others)]), RATE)).notes
        assert [words in note for note in notes] == ([True] if words else [])
        assert not listen((np.stack([tone(), -tone()]), RATE), channel="loudest").notes


class TestOffset:
    @pytest.mark.parametrize(("offset", "words"), [(0.005, None), (-0.05, "-0.050 of full scale off the middle")])
    def test_what_is_left_out_is_said(self, offset, words):
        notes = listen((tone(level=0.3) + offset, RATE)).notes
        assert [words in note for note in notes] == ([True] if words else [])


class TestFullScale:
    def test_floats_beyond_it_are_clipped_as_when_played(self, tmp_path):
        soundfile.write(tmp_path / "a.wav", tone(level=2.0), RATE, subtype="FLOAT")
        for source in (tmp_path / "a.wav", (tone(level=2.0), RATE)):
            np.testing.assert_array_equal(read_audio(source).samples, tone(level=2.0).clip(-1, 1))
            (note,) = listen(source).notes
            assert note == "66.50% of its samples lie beyond full scale (up to 2) and were clipped, as when played"

    def test_a_few_samples_beyond_full_scale_are_counted(self):
        samples = np.zeros(100_000, np.float32)
        samples[:3] = 1.5
        (note,) = listen((samples, 16_000)).notes
        assert note.startswith("3 of its samples lie beyond full scale (up to 1.5)")

    def test_each_channel_is_clipped_before_they_are_mixed(self):
        clip = np.stack([np.full(RATE, 3.0), np.full(RATE, -0.5)])
        np.testing.assert_array_equal(read_audio((clip, RATE)).samples, 0.25)

    def test_full_scale_is_no_news(self):
        assert listen((tone(level=1.0), RATE)).notes == ()


class TestAudioInfo:
    def test_file(self, tmp_path):
        soundfile.write(tmp_path / "stereo.flac", np.zeros((RATE * 2, 2)), RATE)
        assert audio_info(tmp_path / "stereo.flac")[:3] == (2.0, RATE, 2)

    def test_samples_are_not_read(self, wav, monkeypatch):
        monkeypatch.delattr(soundfile.SoundFile, "read")
        assert audio_info(wav)[:3] == (1.0, RATE, 1)

    def test_array(self):
        assert audio_info((np.zeros((RATE, 6)), RATE))[:3] == (1.0, RATE, 6)

    def test_missing_file(self, tmp_path):
        with pytest.raises(AudioError, match="no such file"):
            audio_info(tmp_path / "missing.wav")


class TestResample:
    @pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
    def test_round_trip(self, rate):
        original = tone(frequency=1000)
        back = resample(resample(original, RATE, rate), rate, RATE)
        assert abs(len(back) - len(original)) <= 1
        np.testing.assert_allclose(back[1000:15000], original[1000:15000], atol=1e-4)

    def test_tone_keeps_its_time_and_frequency(self):
        up = resample(tone(frequency=1000), RATE, 48000)
        np.testing.assert_allclose(up[3000:45000], tone(rate=48000, frequency=1000)[3000:45000], atol=1e-4)

    def test_no_alias(self):
        assert np.abs(resample(tone(rate=48000, frequency=12000), 48000, RATE)[1000:-1000]).max() < 1e-4

    def test_same_rate_is_unchanged(self):
        np.testing.assert_array_equal(resample(tone(), RATE, RATE), tone())

    def test_strided_float64_becomes_float32(self):
        assert resample(np.zeros((RATE, 2))[:, 0], RATE, 8000).dtype == np.float32

    def test_tensor_gives_the_same_as_array(self):
        out = resample(torch.from_numpy(tone()), RATE, 8000)
        np.testing.assert_array_equal(out.numpy(), resample(tone(), RATE, 8000))

    def test_two_axes(self):
        with pytest.raises(ValueError, match=r"one mono signal .* \(2, 100\)"):
            resample(np.zeros((2, 100)), RATE, 8000)

    def test_tensor_on_an_accelerator_stays_there(self, monkeypatch):
        functional = types.ModuleType("torchaudio.functional")
        functional.resample = lambda x, a, b: x.new_zeros(len(x) * b // a)
        torchaudio = types.ModuleType("torchaudio")
        torchaudio.functional = functional
        monkeypatch.setitem(sys.modules, "torchaudio", torchaudio)
        monkeypatch.setitem(sys.modules, "torchaudio.functional", functional)
        monkeypatch.setattr(audio_module, "torchaudio_is_usable", lambda: True)
        out = resample(torch.zeros(RATE, device="meta"), RATE, 8000)  # stands for a GPU
        assert (out.device.type, len(out)) == ("meta", 8000)


class TestTorchaudioIsUsable:
    @pytest.fixture(autouse=True)
    def fresh(self, tmp_path, monkeypatch):
        for module in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.syspath_prepend(tmp_path)
        torchaudio_is_usable.cache_clear()
        yield
        torchaudio_is_usable.cache_clear()
        for module in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            del sys.modules[module]

    @pytest.mark.parametrize("code", ["raise OSError('undefined symbol')", "raise RuntimeError('CUDA')", "import no_x"])
    def test_broken_installation(self, tmp_path, code):
        self.install(tmp_path, code)
        assert not torchaudio_is_usable()

    def test_working_installation(self, tmp_path):
        self.install(tmp_path, "")
        assert torchaudio_is_usable()

    def install(self, folder, code):
        (folder / "torchaudio").mkdir()
        (folder / "torchaudio" / "__init__.py").write_text(code)
        (folder / "torchaudio" / "functional.py").touch()


class TestWindows:
    @pytest.mark.parametrize(
        ("seconds", "expected"),
        [
            (3.0, [(0, 3)]),
            (0.4, [(0, 0.4)]),  # the clip itself is shorter than the minimum
            (10.0, [(0, 10)]),
            (10.000000001, [(0, 10.000000001)]),  # rounding makes no window of its own
            (20.0, [(0, 10), (10, 20)]),
            (25.0, [(0, 10), (10, 20), (20, 25)]),
            (20.25, [(0, 10), (10, 19.25), (19.25, 20.25)]),  # last border moved
        ],
    )
    def test_ten_seconds(self, seconds, expected):
        assert windows(seconds) == expected

    def test_merged_where_moving_would_leave_too_little(self):
        assert windows(3.5, 1.5, 1.25) == [(0.0, 1.5), (1.5, 3.5)]

    @settings(max_examples=200, deadline=None)
    @given(st.floats(0.01, 5000), st.floats(0.5, 60), st.floats(0, 1))
    def test_cover_exactly(self, seconds, window, share):
        minimum = share * window
        spans = windows(seconds, window, minimum)
        assert (spans[0][0], spans[-1][1]) == (0.0, seconds)
        assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
        lengths = [end - start for start, end in spans]
        assert min(lengths) > min(minimum, seconds) - 1e-6
        assert max(lengths) < window + minimum + 1e-6

    @pytest.mark.parametrize("arguments", [(0.0,), (float("nan"),), (5.0, 0.0, 0.0), (5.0, 1.0, 2.0), (5.0, 1.0, -1.0)])
    def test_out_of_range(self, arguments):
        with pytest.raises(ValueError, match=r"needed|must be"):
            windows(*arguments)


@pytest.mark.filterwarnings("error")  # the root of a power below 0 would only warn
class TestAlign:
    def shift(self, degraded, reference, rate=RATE, **arguments):
        out, ref, seconds = align(Audio(degraded, rate, "degraded"), Audio(reference, rate, "reference"), **arguments)
        assert len(out.samples) == len(ref.samples)
        return round(seconds * out.sampling_rate)

    @pytest.mark.parametrize("frames", [0, 1, -1, 137, round(0.9 * RATE), -round(0.9 * RATE), RATE, -RATE])
    def test_known_shift(self, frames):
        assert self.shift(delayed(speech_like(), frames), speech_like()) == frames

    def test_clips_are_equal_after_the_cut(self):
        late, reference, _ = align(Audio(delayed(noise(), 500), RATE, "a"), Audio(noise(), RATE, "b"))
        np.testing.assert_array_equal(late.samples, reference.samples)
        assert len(late.samples) == RATE - 500
        assert (late.name, reference.name) == ("a", "b")

    @pytest.mark.parametrize("level", [1e-3, 0.1, 5.0])
    def test_level_does_not_matter(self, level):
        assert self.shift(np.float32(level) * delayed(speech_like(), 321), speech_like()) == 321

    def test_inverted_polarity(self):
        assert self.shift(-delayed(speech_like(), 321), speech_like()) == 321

    def test_offset_does_not_matter(self):
        quiet = np.float32(0.01) * speech_like()
        assert self.shift(delayed(quiet, 8000) + np.float32(0.2), quiet + np.float32(0.3)) == 8000

    @pytest.mark.parametrize("band", [(300, 3400), (50, 1000), (2000, 7000)])
    def test_band_limit(self, band):
        sos = signal.butter(4, band, "bandpass", fs=RATE, output="sos")
        narrow = signal.sosfiltfilt(sos, delayed(speech_like(), -777)).astype(np.float32)
        assert self.shift(narrow, speech_like()) == -777

    @pytest.mark.parametrize("snr_db", [20, 0, -5])
    def test_noise(self, snr_db):
        clean = delayed(speech_like(), 777)
        added = noise(3, seed=5, level=float(clean.std()) * 10 ** (-snr_db / 20))
        assert self.shift(clean + added, speech_like()) == 777

    def test_lost_packets(self):
        lossy = delayed(speech_like(), 777)
        for start in range(0, len(lossy), 1600):
            lossy[start : start + 480] = 0
        assert self.shift(lossy, speech_like()) == 777

    def test_other_waveform_with_the_same_envelope(self):
        # What a generative codec does: no waveform to compare, a few ms is what the envelope tells.
        reference = speech_like()
        carrier = noise(3, seed=9, level=1.0)
        smooth = np.sqrt(signal.fftconvolve(reference**2, np.ones(160) / 160, mode="same").clip(0))
        assert abs(self.shift(delayed((smooth * carrier).astype(np.float32), 4000), reference) - 4000) < 0.005 * RATE

    def test_different_rates_meet_at_the_higher(self):
        reference = speech_like(rate=48000)
        narrow = resample(delayed(reference, 4800), 48000, 8000)
        late, whole, seconds = align(Audio(narrow, 8000, "degraded"), Audio(reference, 48000, "reference"))
        assert (late.sampling_rate, whole.sampling_rate) == (48000, 48000)
        assert seconds == 0.1
        np.testing.assert_array_equal(whole.samples, reference[: len(whole.samples)])

    @pytest.mark.parametrize(
        ("degraded", "reference"),
        [
            (np.zeros(RATE, np.float32), noise()),
            (noise(), np.zeros(RATE, np.float32)),
            (np.zeros(RATE, np.float32), np.zeros(RATE, np.float32)),
            (np.full(RATE, 0.3, np.float32), noise()),  # a constant is silence
            (noise(seed=1), noise(seed=2)),
            (speech_like(seed=1), speech_like(seed=2)),
        ],
    )
    def test_nothing_in_common_gives_no_shift(self, degraded, reference):
        assert self.shift(degraded, reference) == 0

    def test_shift_beyond_the_limit_is_not_reported(self):
        assert abs(self.shift(delayed(noise(3), 8000), noise(3), max_shift_seconds=0.1)) <= 1600

    def test_short_clip_keeps_enough_to_judge(self):
        late, _, _ = align(Audio(delayed(noise(0.3), 4000), RATE, "a"), Audio(noise(0.3), RATE, "b"))
        assert late.seconds >= 0.1

    def test_negative_limit(self):
        with pytest.raises(ValueError, match=r"max_shift_seconds .* got -1"):
            self.shift(noise(), noise(), max_shift_seconds=-1)

    def test_a_short_one_is_found_anywhere_in_a_long_one(self):
        long = np.concatenate([noise(5.0, seed=3), speech_like(), noise(4.0, seed=4)])
        assert self.shift(long, speech_like()) == 5 * RATE
        assert self.shift(speech_like(), long) == -5 * RATE


class TestLayBeside:
    def beside(self, degraded, reference):
        return lay_beside(Audio(degraded, RATE, "degraded"), Audio(reference, RATE, "reference"))

    def test_nothing_of_the_clip_is_cut(self):
        clip = np.concatenate([speech_like(4.0), noise(6.0, level=0.3)])
        late, original, span, is_alike = self.beside(clip, speech_like(4.0))
        np.testing.assert_array_equal(late.samples, clip)
        np.testing.assert_array_equal(original.samples, np.r_[speech_like(4.0), np.zeros(6 * RATE, np.float32)])
        assert (span, is_alike) == ((0.0, 4.0), True)

    def test_reference_that_begins_earlier(self):
        _, original, span, _ = self.beside(speech_like()[4000:], speech_like())
        np.testing.assert_array_equal(original.samples, speech_like()[4000:])
        assert span == (0.0, 2.75)

    def test_another_recording_is_not_alike(self):
        assert self.beside(speech_like(seed=1), speech_like(seed=2))[3] is False
        assert self.beside(speech_like(8.0, seed=1), speech_like(seed=2))[3] is False
