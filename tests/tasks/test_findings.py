from dataclasses import replace

import pytest

from audio_judge.clips import Cause
from audio_judge.languages import get_language
from audio_judge.languages.findings import FINDINGS
from audio_judge.rubrics.rubric import RUBRICS
from audio_judge.tasks import explain, findings
from audio_judge.tasks.faults import ADVISED_TYPE_OF_FAULT, addressed_types
from audio_judge.tasks.findings import Found, advice, description, explanation, strength
from audio_judge.tasks.own_words import sentences

ENGLISH = FINDINGS["en"]
NAMED = [kind for kind in ENGLISH.faults if kind in explain.KINDS]
SCORES = {"mos": 2.4, "noisiness": 1.8, "coloration": 3.0, "discontinuity": 2.2, "loudness": 4.1}
GOOD = {"mos": 4.2, "noisiness": 4.4, "coloration": 4.1, "discontinuity": 4.6, "loudness": 4.0}
SPANS = ((0.5, 0.6), (1.25, 1.5), (2.0, 2.1), (3.0, 3.4))
# Of every fault, as far as it is measured
MEASURED = {
    "noise": {"snr_db": 8.0},
    "level": {"gain_db": -12.0},
    "clipping": {"fraction": 0.023},
    "band_limit": {"high_hz": 3400.0},
    "time_clipping": {"loss_rate": 0.09},
}
# Enough to meet every sentence
SEEDS = range(24)


def varied(found, seed):
    """The same with another seed: scores that move by a tenth, as clips differ."""
    moved = {
        name: round(value - 0.1 * ((seed >> place) % 3), 1) for place, (name, value) in enumerate(found.scores.items())
    }
    return replace(found, scores=moved)


@pytest.fixture(params=NAMED)
def kind(request):
    return request.param


@pytest.fixture
def found(kind):
    return Found(SCORES, [Cause(kind, {"probability": 0.9, **MEASURED.get(kind, {})}, SPANS)], 4.0, 0.6)


class TestWords:
    def test_every_kind_of_fault_has_phrases_and_a_remedy(self):
        sided = {kind for kind, _ in ENGLISH.remedies_by_side}
        assert set(explain.KINDS) <= ENGLISH.faults.keys()
        assert ENGLISH.faults.keys() == ENGLISH.remedies.keys() | sided

    def test_levels_of_the_whole_stand_in_verdicts_alone(self):
        others = {**vars(ENGLISH), "verdicts": (), "because": ()}
        words = str(others).lower().replace("good_", "")
        assert not [level for level in RUBRICS["mos"].levels if f" {level} " in words or f"|{level}|" in words]


class TestExplanation:
    @pytest.mark.parametrize("score", [1.4, 2.9, 4.2])
    def test_names_the_fault_and_no_other(self, kind, score):
        scores = {**SCORES, explain.hurts(kind): score}
        fault = Cause(kind, {"probability": 0.65, **MEASURED.get(kind, {})}, SPANS)
        for seed in SEEDS:
            said = explanation(varied(Found(scores, [fault], 4.0, 0.6), seed))
            assert explain.named_causes(said) == (kind,), said

    @pytest.mark.parametrize("scores", [SCORES, GOOD, {"mos": 3.0}])
    def test_names_no_fault_where_there_is_none(self, scores):
        measured = {"lufs": -24.0, "high_hz": 20_000.0, "snr_db": 40.0, "gap_seconds": 0.0}
        for seed in SEEDS:
            assert not explain.mentioned_causes(explanation(varied(Found(scores, (), 4.0, 0.6, {}, measured), seed)))

    @pytest.mark.parametrize("mos", [1.0, 1.49, 1.5, 2.46, 3.3, 4.4, 5.0])
    def test_verdict_is_the_level_of_the_score(self, found, mos):
        from audio_judge.eval.metrics.explanations import named_level

        whole = replace(found, scores={**SCORES, "mos": mos}, shares={"mos": {RUBRICS["mos"].level_of(mos): 0.6}})
        assert named_level(explanation(whole), "mos") == RUBRICS["mos"].level_of(mos)

    def test_is_one_paragraph_that_reads_back(self, found):
        text = explain.head(SCORES) + explanation(found)
        read = explain.parse(text, strict=True)
        assert (read.scores, read.kinds) == (SCORES, {found.faults[0].kind})

    def test_equal_facts_get_equal_words_and_others_others(self, found):
        said = {explanation(varied(found, seed)) for seed in SEEDS}
        assert explanation(found) == explanation(found)
        assert len(said) > 12

    @pytest.mark.parametrize(
        ("cause", "words"),
        [
            (Cause("level", {"gain_db": -12.0}), "12 dB below the usual -23"),
            (Cause("clipping", {"fraction": 0.023}), "2.3 % of the samples"),
            (Cause("band_limit", {"high_hz": 3400.0}), "3.4 kHz"),
            (Cause("noise", {"snr_db": 8.0}), "8 dB"),
            (Cause("clicks", {}, SPANS), "0.85 s in all"),
            (Cause("packet_loss", {}, SPANS[:2]), "at 0.5 and 1.2 s"),
            (Cause("packet_loss", {}, SPANS[1:2]), "1.5 s"),
            (Cause("codec", {"probability": 0.93}), "93 %"),
        ],
    )
    def test_says_what_was_measured_and_when(self, cause, words):
        assert words in explanation(Found(SCORES, [cause], 4.0))

    def test_a_fault_that_lasts_as_long_as_the_part_has_no_times(self):
        said = explanation(Found(SCORES, [Cause("reverberation", {}, ((6.0, 12.0),))], 6.0, part=(6.0, 12.0)))
        assert "6.0" not in said

    def test_a_doubtful_fault_is_called_probable(self):
        hedges = ("probably", "apparently", "presumably", "seemingly")
        said = [explanation(Found(SCORES, [Cause("echo", {"probability": p})], 4.0)).lower() for p in (0.55, 0.9)]
        assert [any(hedge in one for hedge in hedges) for one in said] == [True, False]

    def test_of_an_unmentionable_score_nothing_is_said(self):
        assert "loudness" not in explanation(Found({"mos": 2.0, "noisiness": 1.5}, [Cause("level", {"gain_db": 9.0})]))

    def test_the_worst_comes_first(self):
        said = explanation(Found(SCORES, [Cause("packet_loss", {}, SPANS), Cause("noise", {"snr_db": 5.0})], 4.0))
        assert said.index("noise") < said.index("acket")


class TestDescription:
    def test_has_no_verdict_and_knows_no_faults(self):
        for seed in SEEDS:
            said = description(varied(Found(SCORES, None, 4.0, 0.6), seed))
            assert not explain.mentioned_causes(said)
            assert "2.4" not in said
            assert "cause" not in said


class TestAdvice:
    def test_is_against_the_fault_and_no_other(self, kind, found):
        for seed in SEEDS:
            (line,) = advice(varied(found, seed))
            assert addressed_types(line) == (
                {ADVISED_TYPE_OF_FAULT[kind]} if kind in ADVISED_TYPE_OF_FAULT else set()
            ), line

    @pytest.mark.parametrize(
        ("cause", "words"),
        [
            (Cause("level", {"gain_db": -12.0}), "12 dB"),
            (Cause("level", {"gain_db": 8.0}), "8 dB"),
            (Cause("clipping", {"fraction": 0.05}), "12 dB"),
            (Cause("clipping", {"fraction": 0.02}), "6 dB"),
            (Cause("noise", {"snr_db": 21.0}), "9 dB"),
        ],
    )
    def test_has_parameters_of_what_was_measured(self, cause, words):
        (line,) = advice(Found({**SCORES, "noisiness": 1.5}, [cause]))
        assert words in line.partition(": ")[2]

    def test_a_slight_fault_needs_none(self):
        (line,) = advice(Found(GOOD, [Cause("clipping", {"fraction": 0.002})]))
        assert "4.2" in line

    def test_low_scores_without_a_fault_get_some(self):
        lines = advice(Found(SCORES, [Cause("noise")]), ["noisiness", "discontinuity"])
        (line,) = lines[1:]
        assert "iscontinuity" in line.partition(": ")[0]
        assert "2.2" in line

    def test_a_level_that_was_measured_is_set_right(self):
        (line,) = advice(Found({**SCORES, "loudness": 2.0}, (), measured={"lufs": -31.4}), ["loudness"])
        assert "8 dB" in line

    def test_other_lines_are_against_nothing_known(self):
        for name in ENGLISH.general:
            for seed in SEEDS:
                found = Found({**SCORES, "intelligibility": 2.0}, (), measured={"lufs": -35.0, "high_hz": 3000.0})
                assert not [one for line in advice(varied(found, seed), [name]) for one in addressed_types(line)]


class TestStrength:
    @pytest.mark.parametrize(
        ("parameters", "spans", "scores", "expected"),
        [
            ({"severity": 0.1}, (), {}, 0),
            ({"severity": 0.8, "loss_rate": 0.001}, (), {}, 2),
            ({"loss_rate": 0.2}, (), {}, 2),
            ({}, ((0.0, 0.1),), {"discontinuity": 1.0}, 0),  # a fortieth of the time is little, whatever the score
            ({}, (), {"discontinuity": 1.2}, 2),
            ({}, (), {"discontinuity": 4.0}, 0),
            ({}, (), {}, 1),
        ],
    )
    def test_cases(self, parameters, spans, scores, expected):
        assert strength(Cause("packet_loss", parameters, spans), scores, 4.0) == expected


class TestExpand:
    def test_only_alternatives_with_known_fields(self):
        found = [
            findings.expand("[a {x}|b]", findings.seed_of(seed), lambda some: [one for one in some if "{" not in one])
            for seed in SEEDS
        ]
        assert set(found) == {"b"}


def test_sentences_end_and_begin_as_sentences_do():
    fault = Cause("packet_loss", {"probability": 0.6}, SPANS)
    for seed in SEEDS:
        said = explanation(varied(Found(SCORES, [fault, Cause("codec")], 4.0, 0.6), seed))
        for one in sentences(said):
            assert one[0].isupper() or one[0].isdigit(), said
            assert not [mark for mark in ("  ", " ,", "{", "[") if mark in one], said


def test_languages_with_templates_have_all_else():
    assert all(get_language(code) for code in FINDINGS)
