import base64
import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from eval_data import write_clip
from native_models import qwen2_audio
from stub import serving
from tiny import make_judge

from audio_judge.audio import AudioError
from audio_judge.clips import Cause
from audio_judge.errors import UsageError
from audio_judge.eval.benchmarks import Question
from audio_judge.eval.judges import OwnJudge, PeerJudge, RecordedJudge, ServedJudge, load_judge
from audio_judge.eval.peers import LoadedPeer, Peer
from audio_judge.eval.predictions import Row
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.judgement import Judgement
from audio_judge.rubrics.rubric import NISQA_RUBRICS, SPEECHEVAL_RUBRICS, Scale, get_rubric

ROOT = Path(__file__).parents[2]
MOS = (get_rubric("mos"),)
FIVE = tuple(NISQA_RUBRICS.values())


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return [write_clip(folder / f"{f}.wav", frequency=f) for f in (300, 500)]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return OwnJudge(AudioJudge(*make_judge(tmp_path_factory.mktemp("judge")), name="tiny"), batch_size=2)


class TestOwnJudge:
    def test_scores_with_shares(self, own, clips):
        first, second = own.answer([Question(clip, "profile", (clip,), FIVE) for clip in clips])
        assert set(first.prediction["scores"]) == set(NISQA_RUBRICS)
        assert sum(first.prediction["shares"]["mos"].values()) == pytest.approx(1, abs=1e-3)
        assert first.prediction != second.prediction

    def test_hears_the_reference_only_if_it_shall(self, own, clips):
        questions = [
            Question("a", "score", (clips[0],), MOS, reference=clips[0], with_reference=heard)
            for heard in (False, True)
        ]
        alone = own.answer([Question("a", "score", (clips[0],), MOS)])[0]
        without, with_reference = (own.answer([question])[0] for question in questions)
        assert without == alone
        assert with_reference != alone

    def test_a_bad_clip_is_an_error_and_the_others_stay(self, own, clips, tmp_path):
        bad = str(tmp_path / "nowhere.wav")
        answers = own.answer([Question(clip, "score", (clip,), MOS) for clip in (clips[0], bad)])
        assert answers[0].prediction is not None
        assert answers[1].prediction is None
        assert "nowhere.wav" in answers[1].error

    def test_explains(self, own, clips):
        (answer,) = own.answer([Question("a", "explain", (clips[0],), FIVE)])
        assert answer.text[0].endswith(answer.prediction["answer"])
        assert isinstance(answer.prediction["own_words"], bool)

    def test_explained_causes_have_the_times_of_the_heard_faults(self, own, clips, monkeypatch):
        heard = (Cause("clicks", {"probability": 0.9}, ((0.1, 0.2),)),)
        said = Judgement(clips[0], 1.0, text="1\n\nClicks.", reasons="Clicks.", causes=("clicks", "echo"), faults=heard)
        monkeypatch.setattr(own.judge, "explain", lambda *_, **__: [said])
        (answer,) = own.answer([Question("a", "explain", (clips[0],), FIVE)])
        assert answer.prediction["causes"] == [{"kind": "clicks", "spans": [[0.1, 0.2]]}, {"kind": "echo", "spans": []}]

    def test_compares_in_both_orders(self, own, clips):
        (answer,) = own.answer([Question("a", "compare", tuple(clips), MOS)])
        swap = {"A": "B", "B": "A", "tie": "tie"}
        assert answer.prediction["swapped"]["mos"] == swap[answer.prediction["preferences"]["mos"]]
        assert sum(answer.prediction["probabilities"]["mos"].values()) == pytest.approx(1, abs=1e-3)

    def test_detects(self, own, clips):
        (answer,) = own.answer([Question("a", "detect", (clips[0],))])
        assert 0 <= answer.prediction["real"] <= 1

    def test_assesses(self, own, clips):
        (answer,) = own.answer([Question("a", "assess", (clips[0],), tuple(SPEECHEVAL_RUBRICS.values()))])
        assert "distortion" in answer.prediction["scores"]
        assert answer.prediction["answer"]

    def test_suggests_and_describes(self, own, clips):
        (advice,) = own.answer([Question("a", "suggest", (clips[0],))])
        (description,) = own.answer([Question("a", "describe", (clips[0],), MOS)])
        assert advice.prediction["answer"]
        assert description.prediction["scores"]["mos"]
        assert description.prediction["answer"] == description.text[0].strip()

    def test_the_shipped_judge_by_its_folder(self):
        folder = ROOT / "checkpoints" / "mini"
        assert load_judge(str(folder), device="cpu").facts["kind"] == "own"

    def test_no_such_judge(self, tmp_path):
        with pytest.raises(UsageError, match="nowhere"):
            load_judge(str(tmp_path / "nowhere"))


class TestNativeModel:
    """A native audio language model is a judge like any other."""

    @pytest.fixture(scope="class")
    def judge(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("native")
        for part in qwen2_audio():
            part.save_pretrained(folder)
        return load_judge(str(folder), device="cpu", batch_size=2)

    def test_decides(self, judge, clips):
        (answer,) = judge.answer([Question("a", "score", (clips[0],), FIVE)])
        assert answer.prediction["scores"].keys() == {rubric.name for rubric in FIVE}
        assert answer.prediction["shares"]

    def test_writes(self, judge, clips):
        (answer,) = judge.answer([Question("a", "explain", (clips[0],), FIVE)])
        assert answer.text

    def test_two_clips_in_both_orders(self, judge, clips):
        (answer,) = judge.answer([Question("a", "compare", tuple(clips), MOS)])
        assert {"preferences", "swapped"} <= answer.prediction.keys()

    def test_a_bad_clip_is_an_error_and_the_others_stay(self, judge, clips):
        bad, good = judge.answer([Question(clip, "score", (clip,), MOS) for clip in ("nowhere.wav", clips[0])])
        assert "nowhere.wav" in bad.error
        assert good.prediction


class TestServedJudge:
    def test_sends_audio_and_reads_words(self, clips):
        with serving(lambda *_: "I would say 3.5 out of 5.") as server:
            judge = load_judge(f"{server.url}#whoever")
            (answer,) = judge.answer([Question("a", "score", (clips[0],), MOS)])
        content = server.requests[0]["messages"][0]["content"]
        sound = next(block for block in content if block["type"] == "input_audio")["input_audio"]
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sound["data"])))
        assert (len(samples), rate, sound["format"]) == (6400, 16_000, "wav")
        assert server.requests[0]["model"] == "whoever"
        assert answer.prediction == {"scores": {"mos": 3.5}}
        assert answer.text == ("I would say 3.5 out of 5.",)

    def test_both_orders_of_a_pair(self, clips):
        def reply(request, _):
            first = next(b for b in request["messages"][0]["content"] if b["type"] == "input_audio")["input_audio"][
                "data"
            ]
            return f"They differ.\n[Speech{'A' if hash(first) == first_hash else 'B'}]"

        samples = soundfile.read(clips[0])[0]
        file = io.BytesIO()
        soundfile.write(file, samples, 16_000, "PCM_16", format="WAV")
        first_hash = hash(base64.b64encode(file.getvalue()).decode())
        with serving(reply) as server:
            judge = ServedJudge(f"{server.url}#m", first_wait=0.0)
            (answer,) = judge.answer([Question("a", "compare", tuple(clips), MOS)])
        assert answer.prediction["preferences"] == {"mos": "A"}
        assert answer.prediction["swapped"] == {"mos": "B"}

    def test_what_cannot_be_read_is_kept_and_missing(self, clips):
        with serving(lambda *_: "No idea.") as server:
            (answer,) = ServedJudge(f"{server.url}#m").answer([Question("a", "detect", (clips[0],))])
        assert answer.prediction is None
        assert answer.text == ("No idea.",)
        assert answer.error

    def test_a_refusal_says_why(self, clips):
        with serving(lambda *_: {"status": 400, "body": b"too long"}) as server:
            (answer,) = ServedJudge(f"{server.url}#m").answer([Question("a", "detect", (clips[0],))])
        assert "too long" in answer.error
        assert answer.text == ("",)

    def test_controls_can_ask_it(self, clips):
        with serving(lambda *_: "4.0") as server:
            assert ServedJudge(f"{server.url}#m").controlled().score(clips) == [{"mos": 4.0}] * 2


class TestRecordedJudge:
    def test_looks_up(self, tmp_path):
        row = Row("a", "b", "j", "score", rubrics=("mos",), prediction={"scores": {"mos": 2.0}}, text=("2",))
        (tmp_path / "p.jsonl").write_text(json.dumps(vars(row)) + "\n")
        judge = RecordedJudge(str(tmp_path / "p.jsonl"))
        known, unknown = judge.answer([Question(name, "score", (name,), MOS) for name in "ax"])
        assert (known.prediction, known.text) == ({"scores": {"mos": 2.0}}, ("2",))
        assert unknown.error == "not among the predictions"
        assert judge.rubrics_for("score", FIVE) == MOS
        assert "detect" in judge.rubrics_for("detect", ())


def fake_peer(scale=None, **values):
    peer = Peer("fake", ("mos",), 16_000, "nowhere", lambda _: None, **({"scale": scale} if scale else {}), **values)
    return PeerJudge(LoadedPeer("fake", peer, lambda samples, original: {"mos": float(len(samples)) / 10_000}))


class TestPeerJudge:
    def test_score_on_the_rubrics_scale_and_raw(self, clips):
        (answer,) = fake_peer(Scale(0.0, 1.0)).answer([Question("a", "score", (clips[0],), MOS)])
        assert answer.prediction["raw"] == {"mos": 0.64}
        assert answer.prediction["scores"]["mos"] == pytest.approx(1 + 4 * 0.64)

    def test_rubrics_it_knows(self):
        assert fake_peer().rubrics_for("profile", FIVE) == MOS
        assert "only" in fake_peer().rubrics_for("profile", FIVE[1:])
        assert "explain" in fake_peer().rubrics_for("explain", FIVE)

    def test_compares_by_its_scores(self, clips, tmp_path):
        longer = write_clip(tmp_path / "l.wav", seconds=0.8)
        (answer,) = fake_peer().answer([Question("a", "compare", (clips[0], longer), MOS)])
        assert (answer.prediction["preferences"], answer.prediction["swapped"]) == ({"mos": "B"}, {"mos": "A"})

    def test_without_the_original_it_needs(self, clips):
        (answer,) = fake_peer(needs_reference=True).answer([Question("a", "score", (clips[0],), MOS)])
        assert "original" in answer.error

    def test_long_clips_are_averaged_by_length(self, tmp_path):
        clip = write_clip(tmp_path / "l.wav", seconds=2.5)
        (answer,) = fake_peer(longest=1.0).answer([Question("a", "score", (clip,), MOS)])
        assert answer.prediction["raw"]["mos"] < 3.0  # the whole would give 4.0


class TestPeers:
    def test_unknown(self):
        with pytest.raises(UsageError, match="nisqa, dnsmos"):
            load_judge("peer:moska")

    @pytest.mark.parametrize(
        ("name", "extra"), [("versa", "wavlab-speech/versa"), ("audiobox-aesthetics", "aesthetics")]
    )
    def test_missing_package_names_how_to_get_it(self, name, extra, monkeypatch):
        for package in ("versa", "audiobox_aesthetics"):
            monkeypatch.setitem(__import__("sys").modules, package, None)
        with pytest.raises(UsageError, match=extra):
            load_judge(f"peer:{name}")

    def test_utmosv2_and_scoreq_by_their_own_packages(self, monkeypatch):
        class Predictor:
            def predict(self, data=None, test_path=None, ref_path=None):
                return (
                    np.array([float(len(data)) / 10_000]) if test_path is None else soundfile.info(test_path).duration
                )

        def scoreq(data_domain, mode):
            assert (data_domain, mode) == ("synthetic", "nr")
            return Predictor()

        modules = __import__("sys").modules
        monkeypatch.setitem(modules, "utmosv2", SimpleNamespace(create_model=lambda pretrained: Predictor()))
        monkeypatch.setitem(modules, "scoreq", SimpleNamespace(Scoreq=scoreq))
        samples = np.zeros(32_000)
        assert load_judge("peer:utmosv2").peer.measure(samples, None) == {"mos": 3.2, "naturalness": 3.2}
        assert load_judge("peer:scoreq/synthetic").peer.measure(samples, None) == {"mos": 2.0}
        with pytest.raises(UsageError, match="scoreq/natural or scoreq/synthetic"):
            load_judge("peer:scoreq/human")

    def test_versa_by_its_registry_and_suite(self, monkeypatch):
        class Suite:
            metrics = {"pseudo_mos": None}  # noqa: RUF012

            def compute_all(self, predictions, references, metadata):
                assert (references, metadata["sample_rate"]) == (None, 16_000)
                return {"pseudo_mos": {"utmos": len(predictions) / 10_000, "dnsmos_overall": 1.0}}

        class VersaScorer:
            def load_metrics(self, score_config, use_gt):
                return Suite() if score_config == [{"name": "pseudo_mos"}] else SimpleNamespace(metrics={})

        modules = __import__("sys").modules
        monkeypatch.setitem(modules, "versa", SimpleNamespace())
        monkeypatch.setitem(modules, "versa.scorer_shared", SimpleNamespace(VersaScorer=VersaScorer))
        samples = np.zeros(32_000)
        assert load_judge("peer:versa").peer.measure(samples, None) == {"mos": 3.2}
        assert load_judge("peer:versa/pseudo_mos:dnsmos_overall").peer.measure(samples, None) == {"mos": 1.0}
        with pytest.raises(AudioError, match="utmos, dnsmos_overall; choose one"):
            load_judge("peer:versa/pseudo_mos").peer.measure(samples, None)
        with pytest.raises(UsageError, match="no metric 'pesq'"):
            load_judge("peer:versa/pesq")

    def test_length_knows_the_length_alone(self):
        measured = [load_judge("peer:length").peer.measure(np.zeros(count), None) for count in (16_000, 32_000)]
        assert [round(one["fluency"], 3) for one in measured] == [0, -0.693]

    @pytest.mark.parametrize("name", ["dnsmos", "pesq", "stoi"])
    def test_tells_noise_from_a_clean_clip(self, name, tmp_path):
        pytest.importorskip({"dnsmos": "speechmos", "stoi": "pystoi"}.get(name, name))
        clean, noisy = (str(tmp_path / f"{clip}.wav") for clip in ("clean_anna", "noisy"))
        for clip in (clean, noisy):
            samples, rate = soundfile.read(ROOT / "examples" / "clips" / f"{Path(clip).stem}.ogg")
            soundfile.write(clip, samples[: int(2.3 * rate)], rate)  # DNSMOS repeats it to one window of 9 s, not six
        judge = load_judge(f"peer:{name}")
        questions = [Question(clip, "score", (clip,), MOS, reference=clean) for clip in (clean, noisy)]
        good, bad = (answer.prediction["scores"]["mos"] for answer in judge.answer(questions))
        assert good > bad + 0.5
