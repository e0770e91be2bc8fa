"""Tests of audio_judge.audio.files: headers that are wrong, files that are joined, cut or of other kinds."""

import io
import struct

import av
import numpy as np
import pytest
import soundfile
from encoded import RATE, contained, encoded, sound, with_data_size, with_total, without_xing

from audio_judge.audio import AudioError, audio_info, files, read_audio


class TestHeaderIsAHint:
    @pytest.mark.parametrize("size", [0, 100_000_000, 2_000_000_000, 0x7FFE0000, 0x7FFFFFFF - 36, 0xFFFFFFFF])
    def test_wav_with_a_placeholder(self, size):
        data = with_data_size(encoded("WAV PCM_16"), size)
        assert audio_info(data)[::3] == (3.0, ())
        np.testing.assert_allclose(read_audio(data).samples, sound(), atol=1e-4)

    def test_wav_whose_data_go_on(self):
        assert read_audio(with_data_size(encoded("WAV PCM_16"), RATE)).seconds == 3.0

    @pytest.mark.parametrize("size", [0, 3_000])
    @pytest.mark.parametrize(
        ("kind", "mark", "form"),
        [
            ("WAV PCM_16", b"data", "<I"),
            ("WAV ALAW", b"data", "<I"),
            ("WAV MS_ADPCM", b"data", "<I"),
            ("WAV DOUBLE", b"data", "<I"),
            ("AIFF PCM_16", b"SSND", ">I"),
            ("AU PCM_16", None, ">I"),
            ("CAF PCM_16", b"data", ">q"),
            ("W64 PCM_16", b"data", "<Q"),
        ],
    )
    def test_sound_goes_on_behind_a_length_that_was_never_filled_in(self, kind, mark, form, size):
        # It begins with digital silence, as streams of synthetic voices do
        samples = np.concatenate([np.zeros(RATE // 4, np.float32), sound(2.75)])
        out = io.BytesIO()
        container, subtype = kind.split()
        soundfile.write(out, samples, RATE, format=container, subtype=subtype)
        data = bytearray(out.getvalue())
        place = 8 if mark is None else data.index(mark) + (16 if container == "W64" else 4)
        data[place : place + struct.calcsize(form)] = struct.pack(form, size)
        heard, whole = read_audio(bytes(data)), read_audio(out.getvalue())
        np.testing.assert_array_equal(heard.samples, whole.samples)

    @pytest.mark.parametrize("tag", [b"LIST\xff\xff\xff\x7f" + bytes(20_000), b"smpl\x40\x9c\0\0" + b"x" * 40_000])
    def test_chunk_behind_the_data_is_no_sound(self, tag):
        assert read_audio(encoded("WAV PCM_16") + tag).seconds == 3.0

    def test_zeros_behind_the_data_are_no_sound(self):
        assert read_audio(encoded("WAV PCM_16") + bytes(40_000)).seconds == 3.0

    def test_au_with_a_placeholder_that_libsndfile_does_not_know(self):
        data = bytearray(encoded("AU PCM_16"))
        data[8:12] = struct.pack(">I", 0x7FFFFFFF)
        assert read_audio(bytes(data)).seconds == 3.0

    def test_flac_that_goes_on_for_less_than_three_of_its_frames(self):
        data = with_total(encoded("FLAC"), 3 * RATE - 3_000)
        assert read_audio(data).seconds == 3.0

    @pytest.mark.parametrize("size", [2**44, 2**64 - 1])
    def test_a_part_that_ends_where_no_file_does(self, size, tmp_path):
        data = struct.pack(">I4s8sI4sQ", 16, b"ftyp", b"isom", 1, b"moov", size) + bytes(200)
        (tmp_path / "a.mp4").write_bytes(data)
        for source in (data, tmp_path / "a.mp4"):
            with pytest.raises(AudioError, match="cannot be opened"):
                read_audio(source)

    def test_wav_with_a_tag_behind_its_data(self):
        assert read_audio(encoded("WAV PCM_16") + b"ID3\x04" + bytes(20_000)).seconds == 3.0

    @pytest.mark.parametrize("frames", [RATE, 10 * RATE])
    def test_flac_with_a_wrong_total(self, frames):
        data = with_total(encoded("FLAC"), frames)
        np.testing.assert_allclose(read_audio(data).samples, sound(), atol=1e-4)
        assert len(audio_info(data).notes) == (frames > 3 * RATE)

    def test_mp3_without_a_xing_header_whose_first_part_is_loud(self):
        # Libsndfile takes the length from the size of the first frames, which are the largest
        samples = np.concatenate([sound(2), np.zeros(20 * RATE, np.float32)])
        out = io.BytesIO()
        soundfile.write(out, samples, RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
        data = without_xing(out.getvalue())
        assert soundfile.info(io.BytesIO(data)).duration < 15
        assert audio_info(data).seconds == pytest.approx(22, abs=0.2)
        assert read_audio(data, start_time=21.0).seconds == pytest.approx(1, abs=0.2)

    @pytest.mark.parametrize(("first", "second"), [((16_000, 1), (44_100, 1)), ((44_100, 1), (44_100, 2))])
    @pytest.mark.parametrize("kind", ["MP3", "WAV"])
    def test_joined_files_of_several_rates_and_channels(self, kind, first, second):
        data = b""
        for rate, channels in (first, second):
            out = io.BytesIO()
            tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
            soundfile.write(out, np.tile(tone[:, None], channels), rate, format=kind)
            data += out.getvalue()
        heard = read_audio(data)
        assert (heard.seconds, heard.sampling_rate) == (pytest.approx(2, abs=0.15), 44_100)
        halves = np.array_split(heard.samples, 2)
        assert np.std(halves[0]) == pytest.approx(np.std(halves[1]), rel=0.05)
        assert "its parts differ" in str(audio_info(data).notes)

    def test_joined_films(self):
        data = contained("mp4", "aac", 1.5)
        assert audio_info(data + data).seconds == pytest.approx(2 * audio_info(data).seconds)

    @pytest.mark.parametrize("kind", ["MP3", "OGG VORBIS", "OGG OPUS", "WAV PCM_16"])
    def test_joined_files(self, kind):
        data = encoded(kind, 1.5) + encoded(kind, 1.0)
        assert audio_info(data).seconds == pytest.approx(2.5, abs=0.2)
        assert np.std(read_audio(data, start_time=1.75).samples) > 0.05

    @pytest.mark.parametrize("kind", ["VORBIS", "OPUS"])
    @pytest.mark.parametrize(("first", "second"), [((16_000, 1), (48_000, 1)), ((48_000, 2), (16_000, 1))])
    def test_links_of_several_rates_and_channels(self, kind, first, second):
        data = b""
        for rate, channels in (first, second):
            out = io.BytesIO()
            tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
            soundfile.write(out, np.tile(tone[:, None], channels), rate, format="OGG", subtype=kind)
            data += out.getvalue()
        heard = read_audio(data)
        assert (heard.seconds, heard.sampling_rate) == (pytest.approx(2, abs=0.1), 48_000)
        halves = np.array_split(heard.samples, 2)
        assert np.std(halves[0]) == pytest.approx(np.std(halves[1]), rel=0.05)
        assert ("its parts differ" in str(audio_info(data).notes)) == (kind == "VORBIS" or first[1] != second[1])

    def test_link_that_cannot_be_read_is_said(self):
        links = [encoded("OGG VORBIS", 1.0)] * 3
        links[1] = links[1].replace(b"vorbis", b"unknow")
        info = audio_info(b"".join(links))
        assert info.seconds == pytest.approx(2, abs=0.1)
        assert info.notes[0].startswith("part 2 of 3 cannot be read, or not to its end (FFmpeg cannot open it")


class TestCut:
    @pytest.mark.parametrize(
        ("kind", "words"),
        [
            ("WAV PCM_16", r"truncated, 1\.5 s of 3 s"),
            ("RF64 PCM_16", r"truncated, 1\.5 s of 3 s"),
            ("W64 FLOAT", r"truncated, 1\.5 s of 3 s"),
            ("CAF PCM_16", r"truncated, 1\.\d+ s of 3 s"),
            ("CAF ALAC_16", r"truncated, 1\.\d+ s of 3 s"),
            ("NIST PCM_16", r"truncated, 1\.\d+ s of 3 s"),
            ("SVX PCM_16", r"truncated, 1\.5 s of 3 s"),
            ("VOC PCM_16", r"truncated, it is cut after 1\.5 s"),
            ("FLAC", r"truncated, 1\.\d+ s of 3 s"),
            ("MP3", r"truncated, 1\.\d+ s of 3 s"),
            ("OGG VORBIS", r"truncated, its last page is cut after [\d.]+ s"),
        ],
    )
    def test_in_the_middle_of_a_frame(self, kind, words):
        data = encoded(kind)
        with pytest.raises(AudioError, match=words):
            read_audio(data[: len(data) // 2 + 1])

    def test_mp3_between_two_frames_is_heard_and_noted(self):
        whole = encoded("MP3")
        with av.open(io.BytesIO(whole)) as file:
            places = [packet.pos for packet in file.demux(audio=0) if packet.size]
        info = audio_info(whole[: places[len(places) // 2]])
        assert info.seconds == pytest.approx(1.5, abs=0.1)
        assert info.notes[0].startswith("its header announces 3 s, but there are 1.")

    @pytest.mark.parametrize(("cut", "is_refused"), [(0, False), (1, True)])
    def test_long_wav_is_refused_only_within_a_frame(self, cut, is_refused):
        data = with_data_size(encoded("WAV PCM_16"), 123_456_789)
        if is_refused:
            with pytest.raises(AudioError, match=r"truncated, 3 s of 3\.86e\+03 s"):
                read_audio(data[:-cut])
        else:
            assert "announces 3.86e+03 s" in audio_info(data).notes[0]

    @pytest.mark.parametrize(
        "kind", ["RF64 PCM_16", "W64 PCM_16", "CAF PCM_16", "NIST PCM_16", "SVX PCM_16", "VOC PCM_16"]
    )
    def test_whole_one_is_heard(self, kind):
        assert audio_info(encoded(kind))[::3] == (3.0, ())

    def test_stream_without_a_length_that_ends_within_a_frame_is_noted(self):
        whole = contained("adts", "aac")
        assert audio_info(whole).notes == ()
        assert "its last frame is not whole" in audio_info(whole[:-1]).notes[0]

    def test_film_cut_in_the_middle(self):
        data = contained("matroska", "libopus")
        with pytest.raises(AudioError, match=r"truncated, 1\.\d+ s of 3\.\d+ s"):
            read_audio(data[: len(data) // 2])


class TestOtherKinds:
    @pytest.mark.parametrize(
        ("container", "codec"),
        [("mp4", "aac"), ("adts", "aac"), ("webm", "libopus")],
    )
    def test_is_read_by_ffmpeg(self, container, codec):
        data = contained(container, codec)
        audio = read_audio(data)
        assert audio.sampling_rate == 48_000
        assert audio.seconds == pytest.approx(3, abs=0.1)
        assert np.std(audio.samples) == pytest.approx(0.1, rel=0.2)

    def test_part_is_the_slice_of_the_whole(self):
        data = contained("mp4", "aac")
        part = read_audio(data, start_time=1.25, end_time=2.5).samples
        np.testing.assert_array_equal(part, read_audio(data).samples[60_000:120_000])

    def test_no_frame_has_a_plane_for_each_channel(self, monkeypatch):
        """Reading the ninth of them ended the process, at times: a server that was sent such a file was gone."""
        planar = []

        class Reader(files._Decoding):
            def _alike(self, frames):
                for frame in super()._alike(frames):
                    planar.append(frame.format.is_planar)
                    yield frame

        monkeypatch.setattr(files, "_Decoding", Reader)
        nine = bytearray(encoded("CAF PCM_16", 0.3))
        nine[0x2F] = 9  # channels, in packets that have bytes for one
        with pytest.raises(AudioError, match="truncated"):
            audio_info(bytes(nine))
        assert planar
        assert not any(planar)

    def test_kind_is_known_by_the_ending_only(self, tmp_path):
        path = tmp_path / "ü.gsm"
        path.write_bytes(
            contained("gsm", "libgsm", rate=8000) if "libgsm" in av.codecs_available else b"\xd0" * 33 * 150
        )
        assert read_audio(path).seconds == pytest.approx(3, abs=0.1)

    def test_playlist_opens_no_other_file(self, tmp_path):
        (tmp_path / "a.wav").write_bytes(encoded("WAV PCM_16"))
        (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:3,\n{tmp_path / 'a.wav'}\n")
        (tmp_path / "list.ffconcat").write_text(f"ffconcat version 1.0\nfile {tmp_path / 'a.wav'}\n")
        for name in ("list.m3u8", "list.ffconcat"):
            with pytest.raises(AudioError, match="cannot be opened"):
                read_audio(tmp_path / name)

    def test_a_file_that_changes_is_looked_at_again(self, tmp_path):
        path = tmp_path / "a.flac"
        for seconds in (1.0, 2.0):
            path.write_bytes(encoded("FLAC", seconds))
            assert audio_info(path).seconds == seconds


class TestName:
    def test_a_wav_called_raw_is_cut_as_any_other(self, tmp_path):
        whole = encoded("WAV PCM_16")
        (tmp_path / "whole.raw").write_bytes(whole)
        (tmp_path / "cut.raw").write_bytes(whole[: len(whole) // 2])
        assert read_audio(tmp_path / "whole.raw").seconds == 3.0
        with pytest.raises(AudioError, match=r"truncated, 1\.5 s of 3 s"):
            read_audio(tmp_path / "cut.raw")


class TestDecoding:
    @pytest.mark.parametrize("lost", [0.0, 1.0])
    def test_sound_that_cannot_be_decoded_is_missed(self, lost, monkeypatch):
        """libsndfile gives no error where a header announces other frames than there are, only nothing to read."""
        read = soundfile.SoundFile.read
        whole = round((3.0 - lost) * RATE)
        monkeypatch.setattr(soundfile.SoundFile, "read", lambda file, frames, **how: read(file, min(frames, max(whole - file.tell(), 0)), **how))  # fmt: skip
        if lost:
            with pytest.raises(AudioError, match=r"damaged, 1 s of it cannot be decoded"):
                read_audio(encoded("FLAC"))
        else:
            assert read_audio(encoded("FLAC")).seconds == 3.0

    def test_seeking_before_the_beginning_prints_no_traceback(self, capfd):
        """FFmpeg does so in mp3 files whose first frame is damaged."""
        seek = files._Named(io.BytesIO(b"abc"), files.Encoded(b"abc", "clip")).seek
        assert (seek(1), seek(-1)) == (1, -1)
