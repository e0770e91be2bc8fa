import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_judge.languages import wordings
from audio_judge.rubrics.rubric import NISQA_RUBRICS
from audio_judge.tasks import Description, ParseError, describe

ONE_DECIMAL = st.integers(10, 50).map(lambda tenths: tenths / 10)
SCORES = st.fixed_dictionaries(dict.fromkeys(NISQA_RUBRICS, ONE_DECIMAL))
TEXTS = st.text("abc 1,.\n", max_size=40).map(lambda text: f"There is noise {text.strip()}.")


class TestAsk:
    def test_every_phrasing_asks_for_the_mos(self):
        for text in sum(wordings("describe"), ()):
            assert "MOS" in text or "mean opinion score" in text

    def test_with_reference(self):
        assert "reference" in describe.ask(with_reference=True)


class TestMetaTuple:
    def test_keys_and_decimals(self):
        scores = {"loudness": 4.0, "mos": 3.14, "discontinuity": 1.0, "coloration": 2.0, "noisiness": 5.0}
        assert json.loads(describe.meta_tuple(scores)) == {"mos": 3.1, "noi": 5, "col": 2, "dis": 1, "loud": 4}

    @pytest.mark.parametrize("scores", [{}, {"charm": 3.0}, {"mos": 7.0}])
    def test_refuses(self, scores):
        with pytest.raises(ValueError, match=r"ratings of|outside"):
            describe.meta_tuple(scores)


class TestExpertMessages:
    def test_holds_facts_meaning_and_request(self):
        facts = describe.meta_tuple({"mos": 2.0, "noisiness": 1.0})
        (message,) = describe.expert_messages(facts, describe.EXPERT_REQUESTS[0])
        assert message["role"] == "user"
        assert facts in message["content"]
        assert "very noisy" in message["content"]
        assert message["content"].endswith(describe.EXPERT_REQUESTS[0])


class TestDescribeScores:
    def test_worst_comes_first_and_all_are_named(self):
        text = describe.describe_scores({"mos": 2.0, "noisiness": 5.0, "coloration": 3.0, "discontinuity": 1.0}).text
        places = [text.index(level) for level in ("very interrupted", "somewhat coloured", "not noisy", "poor")]
        assert places == sorted(places)

    def test_needs_an_overall_score(self):
        with pytest.raises(ValueError, match="mos"):
            describe.describe_scores({"noisiness": 2.0})

    def test_seeds_vary_the_words(self):
        scores = dict.fromkeys(NISQA_RUBRICS, 2.0)
        assert len({describe.describe_scores(scores, seed).text for seed in range(20)}) > 10


class TestWriteAndParse:
    @given(SCORES, st.integers(0, 99), st.booleans())
    def test_round_trip(self, scores, seed, strict):
        target = describe.describe_scores(scores, seed)
        assert target.mos == scores["mos"]
        assert describe.parse(describe.write(target, seed), strict=strict) == target

    @given(TEXTS, ONE_DECIMAL, st.booleans())
    def test_round_trip_of_any_sentences(self, text, mos, strict):
        target = Description(text, mos)
        assert describe.parse(describe.write(target), strict=strict) == target

    @pytest.mark.parametrize(
        ("text", "mos"),
        [
            ("It is noisy. MOS: 2.4", 2.4),
            ("It is noisy (1.2). The score is 2,4 out of 5.", 2.4),
            ("## Quality\nIt is noisy\n\n**MOS = 3**", 3.0),
            ("It is noisy. On a scale of 1 to 5 I give 2.", 2.0),
        ],
    )
    def test_tolerant(self, text, mos):
        assert describe.parse(text).mos == mos

    @pytest.mark.parametrize(
        "text",
        ["", "3.2", "The MOS is 3.2.", "Noisy. MOS 2.1 or 3.", "Noisy. The MOS is 8.", "MOS 3. It is noisy.", "1. 2"],
    )
    def test_refuses(self, text):
        with pytest.raises(ParseError):
            describe.parse(text)

    @pytest.mark.parametrize("text", ["It is noisy. MOS: 2.4", "It is noisy.\nOverall the MOS is 2.4."])
    def test_strict_refuses_other_endings(self, text):
        with pytest.raises(ParseError):
            describe.parse(text, strict=True)

    @given(st.text(max_size=60))
    def test_gives_a_target_or_a_parse_error(self, text):
        for strict in (False, True):
            with contextlib.suppress(ParseError):
                assert isinstance(describe.parse(text, strict=strict), Description)
