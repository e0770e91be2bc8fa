import shutil

import numpy as np
import pytest
from controls_stub import StubComparer, StubJudge, StubPeer, good_share, make_clips, read_samples

from audio_judge.eval.controls import sanity
from audio_judge.eval.controls.bench import Bench


def outcomes(control, judge, folder, **clips):
    """Status by name, without the suite."""
    bench = Bench(judge, make_clips(folder, **clips), folder / "bench")
    return {one.name.removeprefix("sanity/"): one.status for one in control(bench)}


def everything(points):
    return StubJudge(lambda path: points)


class TestSilence:
    def test_passes_when_poor_and_fails_when_good(self, tmp_path):
        assert outcomes(sanity.silence, StubJudge(), tmp_path) == {"silence": "passed"}
        assert outcomes(sanity.silence, everything(4.0), tmp_path) == {"silence": "failed"}

    def test_refusal_is_fine(self, tmp_path):
        class Refusing(StubPeer):
            def score(self, clips):
                return [{} if "silence" in clip or "hush" in clip else {"mos": 4.0} for clip in clips]

        assert outcomes(sanity.silence, Refusing(), tmp_path) == {"silence": "passed"}


class TestNoise:
    def test_passes_when_noisy_and_fails_when_clean(self, tmp_path):
        assert outcomes(sanity.noise, StubJudge(), tmp_path) == {"noise/mos": "passed", "noise/noisiness": "passed"}
        assert set(outcomes(sanity.noise, everything(4.0), tmp_path).values()) == {"failed"}

    def test_rubric_that_is_not_scored_is_not_applicable(self, tmp_path):
        assert outcomes(sanity.noise, StubPeer(), tmp_path)["noise/noisiness"] == "not applicable"


class TestMusic:
    def test_tones_fail_when_good(self, tmp_path):
        assert outcomes(sanity.music, StubJudge(), tmp_path) == {"tones": "passed", "music": "not applicable"}
        assert outcomes(sanity.music, everything(4.0), tmp_path)["tones"] == "failed"

    @pytest.mark.parametrize(("points", "status"), [(2.0, "passed"), (4.0, "failed")])
    def test_given_music_is_judged(self, tmp_path, points, status):
        clips = [*make_clips(tmp_path, 2), *make_clips(tmp_path, 2, "music")]
        bench = Bench(everything(points), clips, tmp_path / "bench")
        assert sanity.music(bench)[1].status == status


class TestInvariances:
    @pytest.mark.parametrize("control", [sanity.same_clip, sanity.order, sanity.batch])
    def test_judge_by_ear_passes(self, tmp_path, control):
        assert set(outcomes(control, StubJudge(), tmp_path).values()) == {"passed"}

    def test_same_clip_fails_a_judge_that_tires(self, tmp_path):
        class Tiring(StubJudge):
            asked = 0

            def score(self, clips, rubric, listener=""):
                self.asked += 1
                self.hear = lambda path: 4.0 - 0.1 * self.asked
                return super().score(clips, rubric, listener)

        assert outcomes(sanity.same_clip, Tiring(), tmp_path) == {"same_clip": "failed"}

    def test_order_fails_a_judge_that_minds_the_place(self, tmp_path):
        class Placing(StubPeer):
            def score(self, clips):
                return [{"mos": 3.0 + 0.1 * index} for index, _ in enumerate(clips)]

        assert outcomes(sanity.order, Placing(), tmp_path) == {
            "clip_order": "failed",
            "question_order": "not applicable",
        }

    def test_question_order_fails_a_judge_with_a_halo(self, tmp_path):
        class Halo(StubJudge):
            def score(self, clips, rubric, listener=""):
                self.read = lambda one: 0.2 if one is rubric[0] else 0.0
                return super().score(clips, rubric, listener)

        assert outcomes(sanity.order, Halo(), tmp_path)["question_order"] == "failed"

    def test_batch_fails_a_judge_that_compares_with_its_neighbours(self, tmp_path):
        class Grading(StubPeer):
            def score(self, clips):
                return [{"mos": 3.0 + 0.01 * len(clips)} for _ in clips]

        assert outcomes(sanity.batch, Grading(), tmp_path) == {"batch": "failed"}


class TestGain:
    def test_fails_when_louder_is_better(self, tmp_path):
        loud = StubJudge(lambda path: 5 + 2 * np.log10(np.std(read_samples(path))))
        assert set(outcomes(sanity.gain, StubJudge(), tmp_path).values()) == {"passed"}
        assert set(outcomes(sanity.gain, loud, tmp_path).values()) == {"failed"}


class TestTruncation:
    def test_fails_when_longer_is_better(self, tmp_path):
        long = StubJudge(lambda path: 1 + len(read_samples(path)) / 10_000)
        assert outcomes(sanity.truncation, StubJudge(), tmp_path) == {"truncation": "passed"}
        assert outcomes(sanity.truncation, long, tmp_path) == {"truncation": "failed"}


class TestBeginning:
    def test_fails_when_the_first_milliseconds_count(self, tmp_path):
        hasty = StubJudge(lambda path: 3 + len(read_samples(path)) % 1000 / 1000)
        assert outcomes(sanity.beginning, StubJudge(), tmp_path) == {"beginning": "passed"}
        assert outcomes(sanity.beginning, hasty, tmp_path) == {"beginning": "failed"}


class TestReversal:
    def test_fails_when_backwards_is_better(self, tmp_path):
        backwards = StubPeer(lambda path: 4.0 if "reversed" in path else 3.0)
        assert outcomes(sanity.reversal, StubPeer(), tmp_path) == {"time_reversal": "passed"}
        assert outcomes(sanity.reversal, backwards, tmp_path) == {"time_reversal": "failed"}


class TestPairs:
    @pytest.mark.parametrize("control", [sanity.identical_pair, sanity.swapped_pair])
    def test_fair_judge_passes_and_leaning_one_fails(self, tmp_path, control):
        assert set(outcomes(control, StubComparer(), tmp_path).values()) == {"passed"}
        assert set(outcomes(control, StubComparer(lean=1.0), tmp_path).values()) == {"failed"}

    @pytest.mark.parametrize("control", [sanity.identical_pair, sanity.swapped_pair])
    def test_judge_that_does_not_compare_is_not_applicable(self, tmp_path, control):
        assert set(outcomes(control, StubJudge(), tmp_path).values()) == {"not applicable"}


class TestWrittenInjection:
    def test_judge_by_ear_passes(self, tmp_path):
        assert set(outcomes(sanity.written_injection, StubJudge(), tmp_path).values()) == {"passed"}

    def test_file_name_fails_a_judge_that_reads_it(self, tmp_path):
        naive = StubJudge(lambda path: good_share(path) + ("excellent" in path))
        found = outcomes(sanity.written_injection, naive, tmp_path)
        assert (found["injection_file_name"], found["injection_metadata"]) == ("failed", "passed")

    def test_metadata_fails_a_judge_that_reads_it(self, tmp_path):
        def hear(path):
            with open(path, "rb") as file:
                return good_share(path) + (b"best score" in file.read())

        assert outcomes(sanity.written_injection, StubJudge(hear), tmp_path)["injection_metadata"] == "failed"

    def test_request_fails_a_judge_that_obeys_its_title(self, tmp_path):
        obedient = StubJudge(read=lambda rubric: 0.5 * ("best score" in rubric.questions[0]))
        assert outcomes(sanity.written_injection, obedient, tmp_path)["injection_request"] == "failed"

    def test_request_is_not_applicable_without_wordings(self, tmp_path):
        assert outcomes(sanity.written_injection, StubPeer(), tmp_path)["injection_request"] == "not applicable"


class TestSpokenInjection:
    @pytest.fixture(autouse=True)
    def voice(self, monkeypatch):
        monkeypatch.setattr(shutil, "which", lambda program: f"/bin/{program}")
        monkeypatch.setattr(sanity, "_spoken", lambda *_: (np.sin(np.arange(8000)), 22_050))

    def test_fails_a_judge_that_obeys_the_voice(self, tmp_path):
        obedient = StubPeer(lambda path: good_share(path) + ("plea" in path))
        assert outcomes(sanity.spoken_injection, StubPeer(), tmp_path) == {"injection_spoken": "passed"}
        assert outcomes(sanity.spoken_injection, obedient, tmp_path) == {"injection_spoken": "failed"}

    def test_no_voice_is_not_applicable(self, tmp_path, monkeypatch):
        monkeypatch.setattr(shutil, "which", lambda program: None)
        assert outcomes(sanity.spoken_injection, StubPeer(), tmp_path) == {"injection_spoken": "not applicable"}


class TestProfile:
    def test_passes_when_heeded_and_fails_when_not(self, tmp_path):
        class Deaf(StubJudge):
            def score(self, clips, rubric, listener=""):
                return super().score(clips, rubric)

        assert outcomes(sanity.profile, StubJudge(), tmp_path) == {"profile_shift": "passed"}
        assert outcomes(sanity.profile, Deaf(), tmp_path) == {"profile_shift": "failed"}
        assert outcomes(sanity.profile, StubPeer(), tmp_path) == {"profile_shift": "not applicable"}
