import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_judge.languages import wordings
from audio_judge.tasks import Detection, ParseError, detect


class TestAsk:
    def test_every_phrasing_says_both_words(self):
        for text in sum(wordings("detect"), ()):
            assert "real" in text.lower()
            assert "fake" in text.lower()

    def test_question_is_a_noul_about_fake(self):
        assert detect.question(1)["type"] == "noul"
        questions, held_out = wordings("detect_question")
        assert not set(questions) & set(held_out)


class TestWriteAndParse:
    @given(st.booleans(), st.booleans())
    def test_round_trip(self, is_fake, strict):
        target = Detection(is_fake)
        assert detect.parse(detect.write(target), strict=strict) == target

    def test_grammar_is_all_that_is_written(self):
        assert [detect.parse(text, strict=True).is_fake for text in detect.grammar()] == [False, True]

    @pytest.mark.parametrize(
        ("text", "is_fake"),
        [
            ("fake", True),
            ("Real", False),
            ("FAKE.", True),
            ("<think>\n</think>\nReal", False),
            ("<think>It may be fake.</think><answer>real</answer>", False),  # only the answer counts
            ("The voice is spoofed", True),
            ("No doubt: **fake**", True),
            ("bona fide", False),
        ],
    )
    def test_tolerant(self, text, is_fake):
        assert detect.parse(text).is_fake is is_fake

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "maybe",
            "real or fake",
            "not real",
            "It isn't fake",
            "unreal",
            "really good",
            "<think>fake</think>",
            "<think>fake",
            "0",
        ],
    )
    def test_refuses(self, text):
        with pytest.raises(ParseError):
            detect.parse(text)

    @pytest.mark.parametrize("text", ["fake", "Fake", "<think>\n</think>\n\n<answer>\nFake\n</answer>"])
    def test_strict_refuses_other_spellings(self, text):
        with pytest.raises(ParseError):
            detect.parse(text, strict=True)

    @given(st.text(max_size=60))
    def test_gives_a_target_or_a_parse_error(self, text):
        with contextlib.suppress(ParseError):
            assert isinstance(detect.parse(text), Detection)
