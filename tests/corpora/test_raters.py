from audio_judge.clips import RatedClip, RatedPair, Rating
from audio_judge.corpora.raters import by_strictness, group_raters, heard_by, votes_of

# Each rater's distance from the clip
LEANING = {"hard": -1.0, "fair": 0.0, "kind": 1.0}


def clips(leaning=LEANING, number=12):
    made = []
    for k in range(number):
        votes = {rater: 2.0 + 0.1 * k + shift for rater, shift in leaning.items()}
        mean = Rating(sum(votes.values()) / len(votes), votes=len(votes), single=tuple(votes.values()))
        made.append(RatedClip(f"{k}.wav", {"mos": mean}, "train", "BVCC", extra={"raters": votes}))
    return made


class TestGroups:
    def test_are_found_by_distance_from_the_others(self):
        assert group_raters(clips()) == {"hard": "strict", "kind": "lenient"}

    def test_nobody_is_strict_where_all_agree(self):
        assert group_raters(clips(dict.fromkeys(LEANING, 0.0))) == {}

    def test_few_votes_make_nobody_strict(self):
        assert group_raters(clips(dict.fromkeys(LEANING, 0.0) | {"hard": -0.4}, number=1)) == {}

    def test_a_scale_whose_high_end_is_bad_turns_it_round(self):
        turned = [
            RatedClip("a.wav", {"child_voice": Rating(0.5)}, "train", "x", extra={"raters": {"a": 0.0, "b": 1.0}})
        ]
        assert group_raters(turned * 9)["a"] == "strict"


class TestVotes:
    def test_of_several_rubrics_are_named(self):
        extra = {"raters": {"mos": {"a": 1.0}, "gone": {"a": 2.0}}}
        assert votes_of(RatedClip("a.wav", {"mos": Rating(1.0)}, "train", "x", extra=extra)) == {"mos": {"a": 1.0}}

    def test_without_names_there_are_none(self):
        assert votes_of(RatedClip("a.wav", {"mos": Rating(1.0)}, "train", "x")) == {}


class TestByStrictness:
    def test_each_clip_comes_as_each_group_rated_it(self):
        found = list(by_strictness(clips()))
        assert [clip.listener for clip in found[:3]] == [None, "strict", "lenient"]
        assert [round(clip.ratings["mos"].value, 2) for clip in found[:3]] == [2.0, 1.0, 3.0]

    def test_pairs_pass_through(self):
        first, second = clips(number=2)
        pair = RatedPair(first, second, {"mos": "A"})
        assert list(by_strictness([pair])) == [pair]

    def test_a_group_that_did_not_rate_a_clip_is_absent(self):
        (clip,) = clips({"hard": -1.0, "fair": 0.0}, number=1)
        assert heard_by(clip, "lenient", {"hard": "strict", "kind": "lenient"}) is None
