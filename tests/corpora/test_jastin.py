import numpy as np
import pytest
import soundfile

from audio_judge.clips import Cause, RatedClip, Rating
from audio_judge.corpora.jastin import JASTIN_TASKS, Treatment, get_task, make_proxy, make_proxy_clips, proxy_score
from audio_judge.rubrics.rubric import AES_RUBRICS, PROXY_RUBRICS, QUALISPEECH_RUBRICS, SPEECHEVAL_RUBRICS
from audio_judge.tasks import rate

RATE = 16_000
PROXIES = [name for name in JASTIN_TASKS if name.startswith("proxy/")]


@pytest.fixture
def tone():
    time = np.arange(RATE) / RATE
    return (0.25 * np.sin(2 * np.pi * 220 * time) * (1 + np.sin(2 * np.pi * 3 * time)) / 2).astype(np.float32)


class TestTasks:
    def test_seven_and_eight_and_four_and_five(self):
        assert len(JASTIN_TASKS) == 24
        counts = [sum(task.corpus == name for task in JASTIN_TASKS.values()) for name in ("qualispeech", "speecheval")]
        assert counts == [len(QUALISPEECH_RUBRICS), len(SPEECHEVAL_RUBRICS)] == [7, 8]
        assert (len(AES_RUBRICS), len(PROXY_RUBRICS), len(PROXIES)) == (4, 5, 5)

    @pytest.mark.parametrize("task", JASTIN_TASKS.values(), ids=JASTIN_TASKS)
    def test_every_task_can_be_asked(self, task):
        assert f"{task.rubric.high:g}" in rate.ask(task.rubric)

    def test_unknown(self):
        with pytest.raises(ValueError, match="no task 'charm'"):
            get_task("charm")


class TestProxyScore:
    @pytest.mark.parametrize(("seconds", "score"), [(0.4, 2.0), (1.2, 3.5), (2.0, 5.0), (9.0, 5.0), (0.1, 2.0)])
    def test_is_linear_in_the_parameter(self, seconds, score):
        cause = Cause("reverberation", {"rt60_s": seconds, "drr_db": -3.0})
        assert proxy_score("proxy/reverberation", [cause]) == score

    def test_other_causes_do_not_count(self):
        assert proxy_score("proxy/reverberation", [Cause("clicks", {"clicks_per_second": 9.0})]) == 1.0

    def test_a_detection_has_two_scores(self):
        weak = Cause("speed", {"factor": 1.3})
        assert (proxy_score("proxy/child_voice", []), proxy_score("proxy/child_voice", [weak])) == (0.0, 1.0)

    def test_less_signal_over_noise_is_worse(self):
        loud, soft = (Cause("noise", {"snr_db": snr, "colour": "babble"}) for snr in (-5.0, 15.0))
        assert proxy_score("proxy/music_distortion", [loud]) > proxy_score("proxy/music_distortion", [soft])

    def test_refuses_what_is_no_proxy(self):
        with pytest.raises(ValueError, match="no proxy"):
            proxy_score("aes/production_quality", [])


class TestTreatment:
    @pytest.mark.parametrize("strength", [0.0, 0.25, 1.0])
    def test_strength_reads_back(self, strength):
        for task in JASTIN_TASKS.values():
            for way in task.treatments:
                assert way.strength(way.cause(strength)) == pytest.approx(strength, abs=1e-3)

    def test_another_variant_is_not_its_own(self):
        way = Treatment("noise", "snr_db", 20.0, 0.0, {"colour": "hum"})
        assert way.strength(Cause("noise", {"snr_db": 10.0, "colour": "babble"})) is None


class TestMakeProxy:
    @pytest.mark.parametrize("name", PROXIES)
    def test_untreated_is_unchanged_and_lowest(self, name, tone):
        samples, score, causes = make_proxy(tone, RATE, name, seed=0, untreated=1.0)
        np.testing.assert_array_equal(samples, tone)
        assert (score, causes) == (get_task(name).rubric.low, ())

    @pytest.mark.parametrize("name", PROXIES)
    def test_treated_is_changed_and_scores_higher(self, name, tone):
        for seed in range(4):
            samples, score, causes = make_proxy(tone, RATE, name, seed=seed, untreated=0.0)
            assert len(samples) == len(tone)
            assert np.abs(samples - tone).max() > 0.01
            assert get_task(name).rubric.low < score <= get_task(name).rubric.high
            assert len(causes) == 1

    @pytest.mark.parametrize("name", PROXIES)
    def test_score_follows_from_the_causes_that_come_back(self, name, tone):
        for seed in range(4):
            _, score, causes = make_proxy(tone, RATE, name, seed=seed, untreated=0.0)
            assert proxy_score(name, causes) == score

    def test_a_child_has_a_higher_voice(self, tone):
        samples, _, _ = make_proxy(tone, RATE, "proxy/child_voice", seed=0, untreated=0.0)
        peak = np.argmax(np.abs(np.fft.rfft(samples))) * RATE / len(samples)
        assert 1.25 * 220 < peak < 1.65 * 220

    def test_same_seed_same_clip(self, tone):
        first, second = (make_proxy(tone, RATE, "proxy/music_distortion", seed=3, untreated=0.0) for _ in range(2))
        np.testing.assert_array_equal(first[0], second[0])
        assert first[1:] == second[1:]


class TestMakeProxyClips:
    def test_writes_rated_clips(self, tone, tmp_path):
        soundfile.write(tmp_path / "clean.wav", tone, RATE)
        clean = RatedClip(str(tmp_path / "clean.wav"), {"mos": Rating(4.0)}, "train", "own", speaker="x")
        made = list(make_proxy_clips([clean] * 6, "proxy/reverberation", tmp_path / "out", seed=1))
        assert len({clip.path for clip in made}) == 6
        for clip in made:
            assert list(clip.ratings) == ["reverberation"]
            assert clip.ratings["reverberation"].value == proxy_score("proxy/reverberation", clip.causes)
            assert (clip.reference, clip.split, clip.speaker) == (clean.path, "train", "x")
            assert soundfile.info(clip.path).frames == len(tone)
        assert len({clip.ratings["reverberation"].value for clip in made}) > 1
