import pytest

from audio_judge.clips import Cause
from audio_judge.corpora.severity import severity, severity_of_each
from audio_judge.degrade import KINDS


def graded(kind: str, spans=(), seconds: float = 4.0, **parameters) -> dict[str, float]:
    return severity([Cause(kind, parameters, spans)], seconds)


class TestSeverity:
    def test_an_undegraded_clip_has_none(self):
        assert set(severity([], 4.0).values()) == {0.0}

    def test_every_kind_of_fault_but_level_hurts_something_with_its_usual_parameters(self):
        parameters = {"snr_db": 10.0, "loss_rate": 0.1, "high_hz": 3000.0, "bit_rate": 8000, "fraction": 0.2, "bits": 6}
        parameters |= {"gains_db": [-9.0, 9.0], "drr_db": 5.0, "factor": 1.3, "codec": "opus"}
        silent = [kind for kind in KINDS if kind != "level" and not any(graded(kind, **parameters).values())]
        assert silent == []

    @pytest.mark.parametrize(
        ("axis", "kind", "mild", "severe"),
        [
            ("noisiness", "noise", {"snr_db": 30.0}, {"snr_db": 5.0}),
            ("noisiness", "noise", {"snr_db": 5.0, "pattern": "bursts"}, {"snr_db": 5.0}),
            ("discontinuity", "packet_loss", {"loss_rate": 0.05}, {"loss_rate": 0.4}),
            ("discontinuity", "packet_loss", {"loss_rate": 0.1, "concealment": "opus"}, {"loss_rate": 0.1}),
            ("discontinuity", "packet_loss", {"loss_rate": 0.1}, {"loss_rate": 0.1, "mean_burst": 6.0}),
            ("coloration", "packet_loss", {"loss_rate": 0.1}, {"loss_rate": 0.1, "bit_rate": 6000}),
            ("coloration", "band_limit", {"high_hz": 12_000.0}, {"high_hz": 3400.0}),
            ("coloration", "codec", {"codec": "g722"}, {"codec": "gsm"}),
            ("coloration", "reverberation", {"drr_db": 20.0}, {"drr_db": -5.0}),
            ("coloration", "vocoder", {"amount": 0.1}, {"amount": 0.9}),
        ],
    )
    def test_a_growing_fault_is_worse(self, axis, kind, mild, severe):
        assert graded(kind, **mild)[axis] < graded(kind, **severe)[axis]

    def test_the_worst_of_two_faults_counts(self):
        causes = [Cause("noise", {"snr_db": snr}) for snr in (35.0, 0.0)]
        assert severity(causes, 4.0)["noisiness"] == graded("noise", snr_db=0.0)["noisiness"]

    def test_cut_onsets_count_by_the_time_they_take(self):
        cut = graded("time_clipping", spans=((0.0, 0.2), (1.0, 1.2)), fraction=1.0, place="onset")
        assert cut["discontinuity"] == pytest.approx(0.2)

    def test_speech_that_is_too_soft_or_too_loud_is_known_by_its_level(self):
        levels = [severity([], 4.0, dbfs)["loudness"] for dbfs in (-26, -28, -40, -60, -10)]
        assert levels[:2] == [0.0, 0.0]
        assert 0 < levels[2] < levels[3]
        assert levels[4] > 0

    def test_what_distill_mos_cannot_hear_is_told_apart(self):
        assert graded("band_limit", high_hz=12_000.0)["unheard"] == graded("band_limit", high_hz=12_000.0)["coloration"]
        assert graded("band_limit", high_hz=3000.0)["unheard"] < graded("band_limit", high_hz=3000.0)["coloration"]
        assert graded("noise", snr_db=0.0)["unheard"] == 0


class TestSeverityOfEach:
    def test_each_kind_by_the_rating_that_it_hurts_most(self):
        causes = [Cause("noise", {"snr_db": snr}) for snr in (25.0, 5.0)]
        causes += [Cause("packet_loss", {"loss_rate": 0.01, "bit_rate": 8000}), Cause("unheard_of", {})]
        assert severity_of_each(causes, 4.0) == {
            "noise": graded("noise", snr_db=5.0)["noisiness"],
            "packet_loss": graded("packet_loss", loss_rate=0.01, bit_rate=8000)["coloration"],
        }
