import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_judge.tasks import ParseError, listeners, score
from audio_judge.tasks.listeners import HELD_OUT_LISTENERS, LISTENERS, Listener, Request

EVERYONE = LISTENERS | HELD_OUT_LISTENERS


class TestTables:
    def test_phrasings_are_many_and_disjoint(self):
        assert len(set(listeners.PHRASINGS)) >= 20
        assert len(set(listeners.HELD_OUT_PHRASINGS)) >= 6
        assert not set(listeners.PHRASINGS) & set(listeners.HELD_OUT_PHRASINGS)

    def test_no_wording_belongs_to_two(self):
        views = [view for profile in EVERYONE.values() for view in profile.views + profile.held_out_views]
        assert len(set(views)) == len(views)

    def test_held_out_profiles_are_others(self):
        assert not set(LISTENERS) & set(HELD_OUT_LISTENERS)


class TestAskAndParse:
    @pytest.mark.parametrize("name", EVERYONE)
    @given(data=st.data())
    def test_round_trip_with_every_wording(self, name, data):
        held_out = data.draw(st.booleans())
        phrasings = listeners.HELD_OUT_PHRASINGS if held_out else listeners.PHRASINGS
        text = listeners.ask(
            score.ask("noisiness", phrasing=4),
            name,
            phrasing=data.draw(st.integers(0, len(phrasings) - 1)),
            wording=data.draw(st.integers(0, 5)),
            held_out=held_out,
            place=data.draw(st.sampled_from(["before", "after"])),
        )
        assert not re.search(r"[{}]", text)
        assert listeners.parse(text, strict=True) == Request(score.ask("noisiness", phrasing=4), name)

    def test_write_then_parse(self):
        target = Request("Rate it.", "nisqa")
        assert listeners.parse(listeners.write(target)) == target

    def test_a_request_of_nobody_in_particular(self):
        assert listeners.parse("Rate it.") == Request("Rate it.")
        with pytest.raises(ParseError, match="no known listener"):
            listeners.parse("Rate it.", strict=True)

    @pytest.mark.parametrize("text", ["", " "])
    def test_nothing_asked(self, text):
        with pytest.raises(ParseError):
            listeners.parse(text)

    def test_an_own_profile(self):
        own = Listener("pilot", ("as a pilot",), ("as somebody in a cockpit",))
        assert listeners.ask("Rate it.", own, place="after") == "Rate it. Judge as a pilot."

    def test_unknown(self):
        with pytest.raises(ValueError, match="no listener 'cat'"):
            listeners.ask("Rate it.", "cat")
