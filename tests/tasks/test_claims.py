import pytest

from audio_judge.languages import get_language
from audio_judge.rubrics.rubric import RUBRICS
from audio_judge.tasks.claims import contradiction, read_claims


def scores(mos, noisiness, coloration, discontinuity, loudness):
    return {
        "mos": mos,
        "noisiness": noisiness,
        "coloration": coloration,
        "discontinuity": discontinuity,
        "loudness": loudness,
    }


def wrong(text, rated, direction=""):
    """Aspects of which a text says what the ratings do not."""
    return [claim.aspect for claim in read_claims(text) if contradiction(claim, rated, direction)]


# What a language model wrote of ratings, and what people might; each beside ratings that it turns around
CONTRADICTING = [
    ("The speech sounds clear, and the quality is good.", scores(1.1, 1.5, 1.4, 1.3, 1.4), {"mos"}),
    ("It has a noisiness of 4.2, which is quite high, so it is quite noisy.", scores(3.5, 4.2, 4, 4, 4), {"noisiness"}),
    ("The voice is very loud.", scores(2.0, 3.5, 3.1, 3.3, 1.4), {"loudness"}),
    ("The worst aspect is the high noise level.", scores(1.5, 3.5, 2.9, 3.8, 1.0), {"noisiness"}),
    ("The speech is also very interrupted.", scores(1.5, 3.5, 2.9, 3.8, 1.0), {"discontinuity"}),
    ("The speech flows smoothly without breaks.", scores(1.5, 3.5, 2.9, 2.0, 1.0), {"discontinuity"}),
    ("The voice sounds natural.", scores(1.5, 3.5, 1.9, 2.0, 1.0), {"coloration"}),
    ("There is no background noise.", scores(1.5, 1.5, 1.9, 2.0, 1.0), {"noisiness"}),
    (
        "The voice is not quite natural, and slightly noisy.",
        scores(4.6, 4.9, 4.9, 4.9, 4.9),
        {"coloration", "noisiness"},
    ),
    ("The volume is just right.", scores(2.5, 3.5, 3, 3, 1.9), {"loudness"}),
    ("The overall quality is excellent.", scores(3.0, 3.5, 3, 3, 3.9), {"mos"}),
    ("The recording is of poor quality.", scores(4.3, 4.5, 4, 4, 3.9), {"mos"}),
]
# Paraphrases of what the ratings say
TRUE = [
    ("The speech is slightly noisy but the words flow without breaks.", scores(3.6, 4.0, 4.0, 4.6, 4.2)),
    ("A steady hiss covers much of the voice, and the listener has to work hard.", scores(1.6, 1.3, 2.5, 2.5, 3)),
    ("The voice drowns in noise, and it is often interrupted; the quality is poor.", scores(1.5, 1.2, 2.0, 2.0, 3.0)),
    ("There is hardly any noise, and the timbre is natural.", scores(4.2, 4.3, 4.6, 4.2, 4.5)),
    ("No noise, gaps, or distortion can be heard.", scores(4.7, 4.8, 4.7, 4.9, 4.5)),
    ("The loudness is neither too loud nor too quiet.", scores(4.0, 4.2, 4.0, 4.2, 4.6)),
    ("The noise is easy to hear, but the voice stays in front of it.", scores(2.8, 3.0, 3.2, 3.5, 3.8)),
    ("The voice sounds unnatural and the timbre is distorted. The quality is poor.", scores(1.8, 3.5, 1.9, 3.0, 3.0)),
    ("Some words are broken, and at times the speech is interrupted.", scores(2.5, 3.5, 3.2, 2.9, 3.4)),
    ("The voice is almost natural. The quality is fair.", scores(3.1, 3.8, 4.0, 3.7, 3.9)),
    ("The loudness is very unsuitable.", scores(1.7, 3.2, 3.1, 3.1, 1.3)),
    ("It is clean, fluent and natural, and the general impression is excellent.", scores(4.7, 4.8, 4.7, 4.9, 4.5)),
    ("It isn't very noisy, yet the voice is somewhat coloured.", scores(3.0, 3.9, 3.0, 3.7, 3.9)),
    ("The background is quiet and the loudness is as it should be.", scores(4.2, 4.6, 4.0, 4.4, 4.6)),
    ("It is clean, but the tone is dull and the words are broken again and again.", scores(2.0, 4.6, 2.0, 1.9, 3.9)),
    ("Only a little noise remains; it does not disturb.", scores(3.9, 4.0, 4.1, 4.2, 4.2)),
    ("The speech runs without interruptions, with only a trace of noise.", scores(4.1, 4.2, 4.1, 4.6, 4.2)),
    ("The quality is not good, mainly because of the strong noise.", scores(1.9, 1.4, 3, 3, 3)),
    ("With less noise, it would be easy to follow.", scores(2.0, 1.4, 3, 3, 3)),
]


class TestContradiction:
    @pytest.mark.parametrize(("text", "rated", "aspects"), CONTRADICTING)
    def test_of_the_ratings(self, text, rated, aspects):
        assert set(wrong(text, rated)) == aspects

    @pytest.mark.parametrize(("text", "rated"), TRUE)
    def test_not_by_true_words(self, text, rated):
        assert read_claims(text) or "would" in text
        assert wrong(text, rated) == []

    @pytest.mark.parametrize(
        ("text", "side"),
        [
            ("The speech is far too quiet, which makes it hard to follow.", "low"),
            ("The volume is low, so listeners reach for the dial.", "low"),
            ("The voice is very loud.", "high"),
            ("The loudness is too high.", "high"),
        ],
    )
    def test_direction_of_the_loudness_counts_only_where_it_is_known(self, text, side):
        rated = scores(1.6, 3.5, 3.0, 3.5, 1.4 if "far" in text or "very" in text else 2.0)
        assert {direction: wrong(text, rated, direction) for direction in ("", "low", "high")} == {
            "": ["loudness"],
            "low": [] if side == "low" else ["loudness"],
            "high": [] if side == "high" else ["loudness"],
        }

    def test_what_nobody_rated(self):
        (claim,) = read_claims("A faint hiss lies behind the voice.")
        assert contradiction(claim, {"mos": 1.0}) == "noisiness: not rated"

    def test_distortion_is_the_worst_of_what_distorts(self):
        (claim,) = read_claims("The speech is distorted.")
        assert not contradiction(claim, scores(2.0, 4.6, 4.5, 1.5, 4.0))
        assert contradiction(claim, scores(4.5, 4.6, 4.5, 4.5, 1.5))

    @pytest.mark.parametrize("name", ["noisiness", "discontinuity", "coloration", "loudness"])
    def test_level_names_fit_their_own_level_and_not_the_other_end(self, name):
        levels = RUBRICS[name].levels
        for place, level in enumerate(levels):
            (claim,) = read_claims(f"The {'loudness' if name == 'loudness' else 'speech'} is {level}.")
            assert claim.aspect == name
            assert not contradiction(claim, {name: 1.0 + place})
            assert contradiction(claim, {name: 5.0 if place < 2 else 1.0})


class TestComparisons:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("SpeechA has less noise than SpeechB.", [("noisiness", "A", True)]),
            ("The noise in SpeechA is stronger than in SpeechB.", [("noisiness", "A", False)]),
            ("SpeechB wins since it has a cleaner background.", [("mos", "B", True), ("noisiness", "B", True)]),
            (
                "Compared to SpeechA, SpeechB sounds more natural and has fewer interruptions.",
                [("coloration", "B", True), ("discontinuity", "B", True)],
            ),
            (
                "SpeechA is noisier, while SpeechB flows smoothly.",
                [("noisiness", "A", False), ("discontinuity", "B", None)],
            ),
            ("Speech B is clean. It is also less muffled.", [("noisiness", "B", None), ("coloration", "B", True)]),
            ("Both are slightly noisy.", [("noisiness", "", None)]),
        ],
    )
    def test_clip_and_whether_it_is_better(self, text, found):
        assert [(claim.aspect, claim.clip, claim.is_better) for claim in read_claims(text)] == found


def test_other_languages_are_refused():
    assert get_language("fr").claims is None
    with pytest.raises(ValueError, match="can be read in English only"):
        read_claims("La parole est bruitée.", "fr")
