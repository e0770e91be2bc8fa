from types import SimpleNamespace

import pytest

from audio_judge.clips import RatedClip, Rating
from audio_judge.errors import UsageError
from eval.listeners import listener_spread


class Heeding:
    """Knows each clip's mean, and puts ``by`` points between strict and lenient."""

    def __init__(self, by):
        self.by = by

    def score(self, paths, *, rubric, batch_size, listener):
        shift = {"strict": -self.by / 2, "lenient": self.by / 2, None: 0.0}[listener]
        return [
            SimpleNamespace(error=None, scores={name: SimpleNamespace(value=float(path) + shift) for name in rubric})
            for path in paths
        ]


def clips():
    """Two raters, two points apart around the clip's mean."""
    return [
        RatedClip(str(mean), {"mos": Rating(mean)}, "test", "x", extra={"raters": {"a": mean - 1, "b": mean + 1}})
        for mean in (2.0, 2.5, 3.0, 3.5)
    ]


def test_a_judge_that_heeds_listeners_has_the_spread_of_the_raters():
    assert listener_spread(Heeding(2.0), clips()) == {
        "mos": {"clips": 4, "raters_spread": 2.0, "judge_spread": 2.0, "mae_named": 0.0, "mae_unnamed": 1.0}
    }


def test_a_judge_that_does_not_has_none():
    (figures,) = listener_spread(Heeding(0.0), clips()).values()
    assert (figures["judge_spread"], figures["mae_named"]) == (0.0, figures["mae_unnamed"])


def test_votes_have_to_say_who_gave_them():
    with pytest.raises(UsageError, match="who gave them"):
        listener_spread(Heeding(0.0), [RatedClip("3.0", {"mos": Rating(3.0)}, "test", "x")])
