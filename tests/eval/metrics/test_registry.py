"""A metric says for itself what it takes, what it gives and which end is good; a new one is one file."""

import re
import types
from pathlib import Path

import pytest
from eval_data import small_benchmark

from audio_judge.eval import benchmarks, metrics
from audio_judge.eval.metrics import registry
from audio_judge.eval.predictions import Row
from audio_judge.eval.summary import DEFAULTS, summarise

ROOT = Path(__file__).parents[3]


@pytest.fixture
def own_metrics(monkeypatch):
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "METRICS", found := list(registry.METRICS))
    monkeypatch.setattr(metrics, "METRICS", found)
    return found


class TestMetric:
    def test_figures_of_one_name_have_one_direction(self, own_metrics):
        with pytest.raises(ValueError, match="figure MAE: another metric says the opposite"):
            registry.metric("scores", MAE=True)

    def test_what_it_needs_is_there_or_it_is_not_used(self):
        similar = next(one for one in metrics.METRICS if one.measure is metrics.sentence_similarity)
        assert similar.settings({"encoder": None, "detector": None}) is None
        assert similar.settings({"encoder": len, "detector": None}) == {"encoder": len}

    @pytest.mark.parametrize(
        ("figure", "expected"),
        [
            ("mos/MAE", False),
            ("mos/MAE_answered", False),
            ("mos/PCC@system", True),
            ("causes/F1_random", None),  # what chance gives
            ("causes/top_causes_share", False),  # a parrot names the same causes each time
            ("text/nothing_known", None),
        ],
    )
    def test_direction_of_a_figure(self, figure, expected):
        assert metrics.is_higher_better(figure) is expected

    @pytest.mark.parametrize("name", benchmarks.names())
    def test_benchmarks_ask_for_figures_that_a_metric_gives(self, name):
        wanted = benchmarks.load(name).metrics
        assert [one for one in wanted if not any(known.gives([one]) for known in metrics.METRICS)] == []

    def test_so_do_tasks(self):
        wanted = {name for names in DEFAULTS.values() for name in names}
        assert [one for one in wanted if not any(known.gives([one]) for known in metrics.METRICS)] == []


class TestContributing:
    def test_the_new_metric_is_one_file(self, own_metrics):
        text = (ROOT / "CONTRIBUTING.md").read_text().partition("## A new metric")[2]
        code = re.search(r"```python\n(.+?)```", text, re.S).group(1)
        module = types.ModuleType("audio_judge.eval.metrics.new")
        module.__package__ = "audio_judge.eval.metrics"
        exec(compile(code, "CONTRIBUTING.md", "exec"), vars(module))
        truth = {"scores": {"mos": 3.0}}
        rows = [
            Row(str(number), "small", "j", "score", truth=truth, prediction=given and {"scores": {"mos": given}})
            for number, given in enumerate((3.4, 2.0, None, 3.5))
        ]
        found = summarise(rows, small_benchmark(task="score", metrics=["within_half"]), resamples=20)["figures"]
        figure = found["mos/within_half"]
        assert (figure["value"], figure["coverage"], figure["higher_is_better"]) == (0.5, 0.75, True)
        assert figure["low"] <= 0.5 <= figure["high"]
