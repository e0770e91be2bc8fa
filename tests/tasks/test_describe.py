import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_judge.clips import Cause
from audio_judge.languages import get_language, wordings
from audio_judge.rubrics.rubric import NISQA_RUBRICS
from audio_judge.tasks import Description, ParseError, describe
from audio_judge.tasks.claims import contradiction, read_claims

ONE_DECIMAL = st.integers(10, 50).map(lambda tenths: tenths / 10)
SCORES = st.fixed_dictionaries(dict.fromkeys(NISQA_RUBRICS, ONE_DECIMAL))
TEXTS = st.text("abc 1,.\n", max_size=40).map(lambda text: f"There is noise {text.strip()}.")


class TestAsk:
    def test_every_phrasing_asks_for_the_mos(self):
        for text in sum(wordings("describe"), ()):
            assert "MOS" in text or "mean opinion score" in text

    def test_with_reference(self):
        assert "reference" in describe.ask(with_reference=True)


class TestKnownDirection:
    @pytest.mark.parametrize(
        ("causes", "direction"),
        [
            ((), ""),
            ((Cause("level", {"gain_db": -30.0}),), "low"),
            ((Cause("noise", {"snr_db": 5.0}), Cause("level", {"gain_db": 22.0})), "high"),
            ((Cause("level", {"gain_db": -2.0}),), ""),  # too little to be heard
            ((Cause("level", {"gain_db": -30.0}, ((1.0, 2.0),)),), ""),  # a passage
            ((Cause("level", {"gain_db": -30.0}), Cause("level", {"gain_db": 30.0})), ""),
            ((Cause("level"),), ""),
        ],
    )
    def test_from_what_was_done(self, causes, direction):
        assert describe.known_direction(causes) == direction


class TestRatedWords:
    def test_words_of_every_rubric_the_worst_first_and_one_number(self):
        scores = {"mos": 3.14, "noisiness": 5.0, "coloration": 2.0, "discontinuity": 1.0, "loudness": 4.0}
        text = describe.rated_words(scores)
        dimensions = get_language("en").dimensions
        places = [
            next(text.index(sentence) for sentence in dimensions[name][group] if sentence in text)
            for name, group in (("discontinuity", 0), ("coloration", 1), ("noisiness", 4))
        ]
        assert places == sorted(places)
        assert re.findall(r"\d.*\d", text) == ["3.1"]

    @pytest.mark.parametrize("direction", ["", "low", "high"])
    def test_loudness_is_said_to_be_too_quiet_only_where_that_is_known(self, direction):
        text = describe.rated_words({"loudness": 1.2}, direction)
        said = {"low": "the speech is too quiet.", "high": "the speech is too loud."}
        assert text.startswith("The loudness ")
        assert text.endswith(said[direction]) if direction else not re.search("quiet|loud$|loud[^n]", text)

    def test_a_right_loudness_has_no_direction(self):
        assert "too" not in describe.rated_words({"loudness": 4.8}, "low")

    def test_the_readers_of_the_words_are_of_the_same_mind(self):
        for name, groups in get_language("en").dimensions.items():
            for group, sentences in enumerate(groups):
                for claim in [claim for sentence in sentences for claim in read_claims(sentence)]:
                    assert not contradiction(claim, {name: 1.0 + group}), (name, group, claim)

    @pytest.mark.parametrize("scores", [{}, {"charm": 3.0}, {"mos": 7.0}])
    def test_refuses(self, scores):
        with pytest.raises(ValueError, match=r"ratings of|outside"):
            describe.rated_words(scores)


class TestExpertMessages:
    def test_holds_facts_and_request(self):
        facts = describe.rated_words({"mos": 2.0, "noisiness": 1.0})
        (message,) = describe.expert_messages(facts, describe.EXPERT_REQUESTS[0])
        assert message["role"] == "user"
        assert message["content"].startswith(describe.EXPERT_REQUESTS[0])
        assert message["content"].endswith(facts)


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
