import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_judge.languages import get_language
from audio_judge.rubrics.rubric import SPEECHEVAL_RUBRICS
from audio_judge.tasks import Assessment, Distortion, ParseError, Suggestions, suggest

ENGLISH = get_language("en")
AREAS = st.lists(st.sampled_from([rubric.label for rubric in SPEECHEVAL_RUBRICS.values()]), unique=True).map(tuple)
WORDS = st.text("abcdefg ,.'", min_size=3).map(str.strip).filter(lambda text: any(a.isalpha() for a in text))
LINES = st.lists(WORDS.map(lambda text: f"Try {text}"), min_size=1, max_size=4).map(tuple)


class TestSuggestFor:
    def test_names_the_worst_first_and_nothing_good(self):
        scores = {"mos": 3.0, "intelligibility": 2.5, "dynamic_range": 1.0, "emotional_impact": 4.0}
        assert suggest.suggest_for(Assessment(scores)).areas == ("dynamic range", "intelligibility")

    @pytest.mark.parametrize("rate", ["slow", "fast"])
    def test_both_ends_of_the_pace_are_bad(self, rate):
        assert suggest.suggest_for(Assessment({"mos": 4.0}, rate)).areas == ("speech rate",)

    def test_a_fitting_pace_is_good(self):
        target = suggest.suggest_for(Assessment({"mos": 5.0}, "appropriate"))
        assert target.areas == ()
        assert target.suggestions[0] in ENGLISH.texts["no_advice"]

    def test_advice_fits_the_distortion(self):
        found = Assessment({"mos": 2.0, "distortion": 1.0}, distortions=(Distortion("background noise"),))
        target = suggest.suggest_for(found)
        assert target.areas == ("distortion",)
        assert target.suggestions[0] in ENGLISH.distortion_advice["background noise"]

    def test_overall_quality_if_nothing_else_is_known(self):
        assert suggest.suggest_for(Assessment({"mos": 1.0})).areas == ("overall quality",)

    def test_no_more_areas_than_asked_for(self):
        scores = {name: 1.0 for name in SPEECHEVAL_RUBRICS if name != "speech_rate"}
        assert len(suggest.suggest_for(Assessment(scores), most=2).areas) == 2

    def test_every_rubric_has_advice(self):
        assert set(ENGLISH.advice) == set(SPEECHEVAL_RUBRICS)

    @given(st.integers(0, 1000))
    def test_all_advice_reads_back(self, seed):
        scores = {name: 1.0 for name in SPEECHEVAL_RUBRICS if name != "speech_rate"}
        target = suggest.suggest_for(Assessment(scores, "slow"), seed, most=8)
        assert suggest.parse(suggest.write(target), strict=True) == target


class TestWriteAndParse:
    @given(AREAS, LINES, st.booleans())
    def test_round_trip(self, areas, lines, strict):
        target = Suggestions(areas, lines)
        assert suggest.parse(suggest.write(target), strict=strict) == target

    def test_bullets_and_a_final_and(self):
        text = "<think>\nKey improvement areas: Speech Rate, Distortion, and dynamic range.\n</think>\n1. Slow down.\n\n- **Pause** more."
        target = suggest.parse(text)
        assert target.areas == ("speech rate", "distortion", "dynamic range")
        assert target.suggestions == ("Slow down.", "Pause more.")

    def test_numbers_at_the_start_of_a_suggestion_stay(self):
        assert suggest.parse("3 dB less gain would help.").suggestions == ("3 dB less gain would help.",)

    @pytest.mark.parametrize("text", ["", "\n", "<think>Key improvement areas: a</think>", "<think>Do this", "1."])
    def test_refuses(self, text):
        with pytest.raises(ParseError):
            suggest.parse(text)

    def test_strict_refuses_bullets(self):
        text = suggest.write(Suggestions((), ("Rest.",))).replace("Rest.", "- Rest.")
        with pytest.raises(ParseError):
            suggest.parse(text, strict=True)

    @given(st.text(max_size=60))
    def test_gives_a_target_or_a_parse_error(self, text):
        for strict in (False, True):
            with contextlib.suppress(ParseError):
                assert isinstance(suggest.parse(text, strict=strict), Suggestions)


class TestSuggestions:
    @pytest.mark.parametrize(
        ("areas", "lines"),
        [(("a",), ()), (("a, b",), ("Rest.",)), (("none",), ("Rest.",)), ((), ("a\nb",)), ((), ("- a",)), ((), ("",))],
    )
    def test_refuses(self, areas, lines):
        with pytest.raises(ValueError, match=r"needed|no suggestion"):
            Suggestions(areas, lines)
