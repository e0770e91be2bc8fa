import inspect
from typing import Any, get_overloads, get_type_hints

import pytest
from tiny import make_judge, tone

from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.judgement import Authenticity, Judgement, Preference
from audio_judge.judge.keywords import profile_means_listener

CLIP = (tone(0.6, 300), 48_000)
WORDS = ("explain", "assess", "suggest", "describe")
RESULTS = {"score": Judgement, "profile": Judgement, **dict.fromkeys(WORDS, Judgement)}
RESULTS |= {"detect": Authenticity, "compare": Preference, "decide": dict[str, Any]}


@pytest.mark.parametrize("task", RESULTS)
class TestOverloads:
    def test_one_clip_gives_a_result_and_a_list_gives_a_list(self, task):
        one, many = (get_type_hints(overload) for overload in get_overloads(getattr(AudioJudge, task)))
        assert (one["return"], many["return"]) == (RESULTS[task], list[RESULTS[task]])
        assert many["first" if task == "compare" else "clips"] == list[Any]

    def test_keywords_are_those_of_the_method(self, task):
        method = getattr(AudioJudge, task)
        parameters = inspect.signature(method).parameters.values()
        for overload in get_overloads(method):
            (keywords,) = get_type_hints(overload)["options"].__args__
            assert set(keywords.__optional_keys__) == {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}


class TestProfileMeansListener:
    def test_old_name_says_the_same_after_a_warning(self, tmp_path):
        judge = AudioJudge(*make_judge(tmp_path))
        with pytest.warns(DeprecationWarning, match="score.profile=.* is called listener= now"):
            said = judge.score(CLIP, rubric="mos", profile="elderly")
        assert said == judge.score(CLIP, rubric="mos", listener="elderly")

    def test_every_public_method_that_takes_a_listener(self):
        methods = inspect.getmembers(AudioJudge, inspect.isfunction)
        taken = {name for name, method in methods if hasattr(method, "__wrapped__")}
        lasting = {"iter_scores", "reward", "timeline", "stream", "calibrate"}
        assert taken == (RESULTS.keys() | lasting) - {"decide"}

    def test_both_names_are_an_error(self):
        @profile_means_listener
        class Judge:
            def score(self, *, listener=None):
                return listener

        with pytest.raises(TypeError, match=r"score\(\) has listener= and its old name, profile=; leave out profile="):
            Judge().score(listener="elderly", profile="elderly")
