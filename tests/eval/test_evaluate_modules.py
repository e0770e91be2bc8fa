"""The modules for Hugging Face `evaluate`: each loads without a network, alone, and gives what the function gives."""

import ast
import doctest
import importlib
import importlib.abc
import shutil
import sys
from pathlib import Path

import evaluate
import pytest

from eval.metrics import detection_metrics, preference_accuracy, rating_agreement, vote_share_agreement
from eval.metrics.causes import cause_faithfulness

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "eval" / "evaluate_modules"
NAMES = sorted(path.name for path in FOLDER.iterdir() if (path / f"{path.name}.py").exists())


@pytest.fixture(scope="module", autouse=True)
def modules_of_their_own(tmp_path_factory):
    """Neither what an earlier run copied nor what this one copies is left behind; the examples name paths from the root."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr("evaluate.config.HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
        patch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path_factory.mktemp("figures")))
        yield


def load(name, folder=FOLDER, **options):
    return evaluate.load(str(folder / name), **options)


class TestEveryModule:
    def test_there_are_five(self):
        assert NAMES == [
            "cause_faithfulness",
            "fake_speech_detection",
            "preference_accuracy",
            "rating_agreement",
            "vote_share_calibration",
        ]

    @pytest.mark.parametrize("name", NAMES)
    def test_example_in_its_help_holds(self, name):
        test = doctest.DocTestParser().get_doctest(
            load(name).inputs_description, {"evaluate": evaluate}, name, None, None
        )
        assert len(test.examples) >= 2
        assert doctest.DocTestRunner().run(test).failed == 0

    @pytest.mark.parametrize("name", NAMES)
    def test_imports_nothing_of_this_project_nor_beyond_its_requirements(self, name):
        allowed = {"numpy", "scipy", "sklearn", "evaluate", "datasets", *sys.stdlib_module_names}
        for path in set((FOLDER / name).glob("*.py")) - {FOLDER / name / "app.py"}:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    assert {alias.name.split(".")[0] for alias in node.names} <= allowed
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    assert node.module.split(".")[0] in allowed

    @pytest.mark.parametrize("name", NAMES)
    def test_it_fetches_every_file_that_its_files_need(self, name):
        siblings = {path.stem for path in (FOLDER / name).glob("*.py")} - {"__init__", "app", name}
        named = {
            node.module
            for node in ast.walk(ast.parse((FOLDER / name / f"{name}.py").read_text()))
            if isinstance(node, ast.ImportFrom) and node.level == 1
        }
        assert named == siblings

    @pytest.mark.parametrize("name", NAMES)
    def test_functions_stand_in_the_repository_once(self, name):
        copies = [path for path in (FOLDER / name).glob("*.py") if path.stem not in ("__init__", "app", name)]
        assert copies
        assert all(path.resolve() == ROOT / "eval" / "metrics" / path.name for path in copies)


class TestAsOnTheHub:
    def test_plain_copies_load_where_the_project_is_not(self, tmp_path, monkeypatch):
        class NotHere(importlib.abc.MetaPathFinder):
            def find_spec(self, name, *_):
                if name.partition(".")[0] in ("audio_judge", "eval"):
                    raise ModuleNotFoundError(name)

        for name in [name for name in sys.modules if name.partition(".")[0] in ("audio_judge", "eval")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "meta_path", [NotHere(), *sys.meta_path])
        monkeypatch.setattr("evaluate.config.HF_MODULES_CACHE", str(tmp_path / "modules"))
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("audio_judge.clips")
        for name in NAMES:
            shutil.copytree(FOLDER / name, tmp_path / name)  # follows links, as an upload does
            assert load(name, tmp_path).compute


class TestFigures:
    def test_rating_agreement_with_a_missing_score_first(self):
        found = load("rating_agreement").compute(
            predictions=[None, 2.5, 4, 3], references=[4, 2, 4.5, 3.5], low=1, high=5
        )
        assert found == rating_agreement([None, 2.5, 4, 3], [4, 2, 4.5, 3.5], low=1, high=5)

    def test_rating_agreement_per_group(self):
        found = load("rating_agreement").compute(
            predictions=[1.0, 3, 2, 4], references=[1.0, 2, 3, 4], groups=["a", "a", "b", "b"]
        )
        assert found["n_groups"] == 2

    def test_preference_accuracy_and_order(self):
        first, second, truth = ["", "A", "tie"], ["A", "A", "tie"], ["A", "A", "tie"]
        found = load("preference_accuracy").compute(predictions=first, references=truth, swapped=second)
        expected = preference_accuracy([None, *first[1:]], truth)
        assert {name: found[name] for name in expected} == expected
        assert found["order_consistency"] == pytest.approx(1 / 3)
        assert found["order_coverage"] == pytest.approx(2 / 3)

    def test_fake_speech_detection_takes_costs(self):
        scores, truth = [0.9, 0.4, 0.6, None], [1, 1, 0, 0]
        found = load("fake_speech_detection").compute(predictions=scores, references=truth, false_alarm_cost=1.0)
        assert found == detection_metrics(scores, truth, false_alarm_cost=1.0)

    def test_vote_share_calibration_with_missing_shares(self):
        shares, truth = [None, [0.25, 0.75]], [[0.9, 0.1], [0.5, 0.5]]
        found = load("vote_share_calibration").compute(predictions=shares, references=truth)
        assert found == vote_share_agreement(shares, truth)

    def test_cause_faithfulness_with_a_missing_explanation(self):
        named, known = [None, ["noise"], []], [["echo"], ["noise"], []]
        found = load("cause_faithfulness").compute(predictions=named, references=known)
        assert found == cause_faithfulness(named, known)
        assert found["coverage"] == pytest.approx(2 / 3)

    def test_combine(self):
        both = evaluate.combine([load("rating_agreement"), load("fake_speech_detection")])
        assert len(both.evaluation_modules) == 2
