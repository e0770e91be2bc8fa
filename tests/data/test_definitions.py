import random
import re

import pytest

from audio_judge.clips import Rating
from audio_judge.data import augment
from audio_judge.data.definitions import WHATS, described, descriptions_of, own_descriptions, read_description
from audio_judge.data.paraphrases import Paraphrase
from audio_judge.rubrics.rubric import (
    AES_RUBRICS,
    HUNDRED,
    NISQA_RUBRICS,
    PROXY_RUBRICS,
    QUALISPEECH_RUBRICS,
    SPEECHEVAL_RUBRICS,
    get_rubric,
)
from audio_judge.tasks import ParseError, rate

JASTIN = {**QUALISPEECH_RUBRICS, **SPEECHEVAL_RUBRICS, **AES_RUBRICS, **PROXY_RUBRICS}
TRUE = "How noisy is it? The top score is {highest}, the bottom score {lowest}."


class TestOwnDescriptions:
    @pytest.mark.parametrize("name", sorted({**JASTIN, **NISQA_RUBRICS}))
    def test_every_task_has_twenty_that_pass_the_rule_of_the_command(self, name):
        rubric = get_rubric(name)
        texts = [one.text for one in descriptions_of(rubric)]
        assert len(set(texts)) >= 20
        for text in texts:
            assert read_description(text, rubric) == text

    def test_all_of_the_24_tasks_are_there(self):
        parts = (QUALISPEECH_RUBRICS, SPEECHEVAL_RUBRICS, AES_RUBRICS, PROXY_RUBRICS)
        assert sum(map(len, parts)) >= 24
        assert set().union(*parts) <= set(WHATS)

    def test_ends_of_the_rubric_are_filled_in(self):
        text = described(get_rubric("noisiness"), own_descriptions("noisiness")[0].text)
        assert "at the top of the scale stands not noisy, at the bottom very noisy" in text


class TestReadDescription:
    @pytest.mark.parametrize(
        ("reply", "problem"),
        [
            (
                "How noisy is it? The top score is {lowest}, the bottom score {highest}.",
                "does not say that {highest} is the high end",
            ),
            ("How noisy is it? The top score is {highest}.", "has the fields"),
            ("How noisy is it? It is {highest}, or else {lowest}.", "does not say that {highest} is the high end"),
            ("How noisy is it? The top 5 is {highest}, the bottom score {lowest}.", "numbers"),
            ("How warm is it? The top score is {highest}, the bottom score {lowest}.", "no word of what"),
            ("How noisy is it? The top is {highest}, at the bottom {lowest} or {lowest}.", "2 times"),
        ],
    )
    def test_a_change_of_range_direction_or_meaning_is_refused(self, reply, problem):
        assert read_description(TRUE, get_rubric("noisiness")) == TRUE
        with pytest.raises(ParseError, match=re.escape(problem)):
            read_description(reply, get_rubric("noisiness"))

    def test_middle_that_is_best_must_be_said(self):
        text = "How fast does one speak? The top is {highest}, the bottom {lowest}."
        with pytest.raises(ParseError, match="middle is best"):
            read_description(text, get_rubric("speech_rate"))
        assert read_description(f"{text} The middle is best.", get_rubric("speech_rate"))


class TestAugment:
    def test_request_of_the_rate_task_has_the_other_description(self):
        found = augment.augment(get_rubric("mos").on(HUNDRED), Rating(40.0), "describe", random.Random(1))
        assert found.rubric.definition != get_rubric("mos").definition
        assert found.rubric.definition in rate.ask(found.rubric, phrasing=0)
        assert (found.value, found.provenance[0]["kind"]) == (40.0, "describe")

    def test_those_of_a_language_model_are_of_one_rubric(self):
        written = [Paraphrase("Top {highest}, bottom {lowest}: noise?", "casual", rubric="noisiness")]
        assert written[0] in descriptions_of(get_rubric("noisiness"), written)
        assert written[0] not in descriptions_of(get_rubric("mos"), written)
        asked = {
            augment.augment(
                get_rubric("mos"), Rating(4.0), "paraphrase", random.Random(seed), paraphrases=written
            ).question
            for seed in range(60)
        }
        assert written[0].text not in asked

    @pytest.mark.parametrize("name", ["mos", "naturalness"])
    def test_turned_rubric_keeps_its_words(self, name):
        turned = augment.invert(get_rubric(name))
        found = augment.augment(turned, Rating(4.0), "describe", random.Random(0))
        assert (found.rubric, found.provenance) == (turned, ())

    def test_question_of_an_earlier_step_stays(self):
        chances = {"paraphrase": 1.0, "describe": 1.0}
        found = augment.augment_with_chances(get_rubric("mos"), Rating(4.0), chances, random.Random(0))
        assert [step["kind"] for step in found.provenance] == ["paraphrase", "describe"]
        assert found.question == found.provenance[0]["text"]
