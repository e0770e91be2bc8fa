"""The note of what a judge learned."""

import warnings
from types import SimpleNamespace

import pytest

from audio_judge.judge.identity import Identity, UntrainedListenerWarning
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


def listening(*listeners):
    """A judge by name that learned to score for some listeners."""
    note = Learned({"decide": Lesson("decision", ("mos",), listeners=listeners)}).note()
    return Identity(SimpleNamespace(model=SimpleNamespace(config=SimpleNamespace(learned=note))), "tiny", "")


def test_a_listener_that_was_never_learned_is_warned_about_once():
    identity = listening("strict")
    with pytest.warns(UntrainedListenerWarning, match="tiny never learned how 'elderly' rates, .* it learned strict"):
        assert identity.on_behalf_of("elderly").name == "elderly"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        identity.on_behalf_of("elderly")


def test_nobody_in_particular_and_a_known_listener_are_heard_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert listening("strict").on_behalf_of("strict").name == "strict"
        assert listening().on_behalf_of(None) is None
