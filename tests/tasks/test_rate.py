import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_judge.languages import wordings
from audio_judge.rubrics.rubric import ALL_RUBRICS, BINARY, HUNDRED, TEN, Rubric
from audio_judge.tasks import ParseError, ScoreTarget, rate

OWN = Rubric("warmth", "How warm the voice is: the highest score means warm, the lowest cold.", levels=("cold", "warm"))
AUDIO = {"type": "audio", "path": "a.wav"}


class TestAsk:
    @pytest.mark.parametrize("held_out", [False, True])
    @pytest.mark.parametrize("rubric", [OWN, ALL_RUBRICS["speech_rate"], OWN.on(HUNDRED)], ids=lambda r: r.name)
    def test_every_phrasing_says_the_label_or_the_definition_and_holds_the_audio(self, rubric, held_out):
        for number in range(len(wordings("rate")[held_out])):
            text = rate.ask(rubric, phrasing=number, held_out=held_out)
            assert rubric.label in text.lower() or rubric.definition in text
            assert text.count("<audio>") == 1
            assert rubric.levels[0] in text
            assert not re.search(r"[{}]", text)

    def test_places(self):
        assert rate.ask(OWN, place="start").startswith("<audio>\n")
        assert rate.ask(OWN, place="end").endswith("\n<audio>")
        assert re.search(r"\S\n<audio>\n\S", rate.ask(OWN))

    def test_an_own_text_says_where_the_audio_is(self):
        assert rate.ask(OWN, phrasing="In <audio>, {label} from {low} to {high}?") == "In <audio>, warmth from 1 to 5?"

    def test_the_scale_is_the_rubrics(self):
        assert "0 means cold and 100 means warm" in rate.ask(OWN.on(HUNDRED), phrasing=2)

    def test_cues_are_disjoint(self):
        cues, held_out = wordings("rate_cues")
        assert not set(cues) & set(held_out)


class TestContent:
    def test_puts_the_clip_where_the_placeholder_is(self):
        blocks = rate.content(rate.ask(OWN), AUDIO)
        assert [block["type"] for block in blocks] == ["text", "audio", "text"]
        assert blocks[1] == AUDIO

    def test_no_empty_text(self):
        assert rate.content("<audio>", AUDIO) == [AUDIO]

    @pytest.mark.parametrize("text", ["no clip", "<audio><audio>"])
    def test_refuses_another_number_of_clips(self, text):
        with pytest.raises(ValueError, match="for 1 clips"):
            rate.content(text, AUDIO)


class TestWriteAndParse:
    @given(
        st.sampled_from([OWN, OWN.on(TEN), OWN.on(HUNDRED), OWN.on(BINARY), Rubric("x", "X.", low=-3, high=3)]),
        st.integers(0, 100),
        st.booleans(),
    )
    def test_round_trip(self, rubric, percent, strict):
        target = ScoreTarget(rubric, round(rubric.low + percent / 100 * (rubric.high - rubric.low), 2))
        assert rate.parse(rate.write(target), rubric, strict=strict) == target

    @pytest.mark.parametrize(("text", "value"), [("Score: 3.42", 3.42), ("**4**", 4.0), ("3,5 out of 5", 3.5)])
    def test_tolerant(self, text, value):
        assert rate.parse(text, OWN).value == value

    @pytest.mark.parametrize("text", ["", "6", "warm", "3 or 4", "-1"])
    def test_refuses(self, text):
        with pytest.raises(ParseError):
            rate.parse(text, OWN)

    @pytest.mark.parametrize("text", ["3.4", "3", " 3.42", "03.42", "6.00", "3.420"])
    def test_strict_refuses(self, text):
        with pytest.raises(ParseError):
            rate.parse(text, OWN, strict=True)

    @given(st.text(max_size=40))
    def test_gives_a_target_or_a_parse_error(self, text):
        with contextlib.suppress(ParseError):
            assert isinstance(rate.parse(text, OWN), ScoreTarget)


class TestEnds:
    @pytest.mark.parametrize("rubric", ALL_RUBRICS.values(), ids=ALL_RUBRICS)
    def test_names_both_ends(self, rubric):
        assert rubric.levels[0] in rate.ends(rubric)
        assert rubric.levels[-1] in rate.ends(rubric)
        assert ("best" in rate.ends(rubric)) == rubric.middle_is_best
