"""The note of what a judge learned."""

from types import SimpleNamespace

import pytest

from audio_judge.judge.learned import Learned, Lesson

BOTH = Learned(
    {"decide": Lesson("decision", ("mos", "warmth")), "assess": Lesson("text", ("mos", "distortion"), ("en", "zh"))},
    True,
)


def test_survives_json_and_is_read_back():
    assert Learned.from_note(BOTH.note()) == BOTH


def test_a_configuration_without_it_says_nothing():
    assert Learned.of(SimpleNamespace()) is Learned.of(SimpleNamespace(learned=None)) is None


@pytest.mark.parametrize("note", [[], {"tasks": {"decide": {"form": "guess"}}}, {"tasks": {"decide": {}}}])
def test_a_broken_note_is_an_error_that_shows_it(note):
    with pytest.raises(ValueError, match="no note of a training"):
        Learned.from_note(note)


def test_lessons_in_the_same_task_are_joined():
    more = Learned({"assess": Lesson("text", ("naturalness", "mos"), ("fr",))})
    assert BOTH.merged(more).tasks["assess"] == Lesson("text", ("mos", "distortion", "naturalness"), ("en", "fr", "zh"))


def test_decisions_tell_more_than_texts():
    assert [BOTH.way_to_score(name) for name in ("mos", "distortion", "loudness")] == ["decide", "assess", None]


def test_what_was_only_compared_in_is_not_scored():
    assert Learned({"compare": Lesson("text", ("mos",))}).scored == ()


def test_says_in_words_what_it_is():
    assert str(BOTH) == "decide of mos, warmth; assess of mos, distortion in text"
