import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from datasets import Dataset
from eval_data import FakeJudge, nisqa_corpus, own_table
from forked import Forked

from audio_judge.batch.shards import Shard
from audio_judge.errors import UsageError
from audio_judge.eval import cli
from audio_judge.eval.benchmarks import Places, load
from audio_judge.eval.predictions import read_rows
from audio_judge.eval.runner import Run, run

ROOT = Path(__file__).parents[2]


def nisqa_run(tmp_path, out="out", **values):
    if not (tmp_path / "NISQA_Corpus").exists():
        nisqa_corpus(tmp_path)
    settings = {"judges": ("fake",), "benchmarks": (load("nisqa_test"),), "resamples": 0, "batch_size": 4}
    return Run(out=tmp_path / out, places=Places(tmp_path), **settings | values)


def figures(found, judge="fake", benchmark="nisqa_test"):
    return found["judges"][judge][benchmark]["figures"]


class TestRun:
    def test_writes_everything(self, tmp_path):
        found = run(nisqa_run(tmp_path), loader=lambda _: FakeJudge())
        out = tmp_path / "out"
        assert {path.name for path in out.iterdir()} >= {
            "config.json",
            "predictions.jsonl",
            "metrics.json",
            "cost.json",
        }
        assert json.loads((out / "metrics.json").read_text()) == found
        assert found["versions"] == {"nisqa_test": 1}
        config = json.loads((out / "config.json").read_text())
        assert config["versions"]["torch"]
        assert config["judges"] == {"fake": {"kind": "fake"}}
        assert len(list(read_rows(out / "predictions.jsonl"))) == 12

    def test_figures_have_intervals_and_coverage(self, tmp_path):
        found = figures(run(nisqa_run(tmp_path, resamples=20), loader=lambda _: FakeJudge()))
        figure = found["mos/PCC"]
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert (figure["n"], figure["coverage"]) == (12, 1.0)
        assert found["mos/RMSE@condition"]["higher_is_better"] is False

    def test_nothing_left_loads_no_judge(self, tmp_path):
        run(nisqa_run(tmp_path), loader=lambda _: FakeJudge())

        def refuse(_):
            raise AssertionError("loaded for nothing")

        assert figures(run(nisqa_run(tmp_path), loader=refuse))

    def test_side_by_side_and_later_judges_are_compared(self, tmp_path):
        only = {"benchmarks": (load("speechqualityllm_mos_numeric"),), "resamples": 20}
        run(nisqa_run(tmp_path, **only), loader=lambda _: FakeJudge())
        several = nisqa_run(tmp_path, judges=("fake", "other"), **only)
        found = run(several, loader=lambda _: FakeJudge(offset=-0.2))
        assert set(found["judges"]) == {"fake", "other"}
        one, other = (figures(found, judge, "speechqualityllm_mos_numeric") for judge in ("fake", "other"))
        test = next(one for one in found["pairs"]["speechqualityllm_mos_numeric"] if one["figure"] == "mos/MAE")
        assert test["judges"] == ["fake", "other"]
        assert test["difference"] == pytest.approx(one["mos/MAE"]["value"] - other["mos/MAE"]["value"], abs=1e-5)

    def test_a_judge_that_cannot_do_a_task_has_no_figures(self, tmp_path):
        what = nisqa_run(tmp_path, benchmarks=(load("speechqualityllm_explanatory"),))
        found = run(what, loader=lambda _: FakeJudge())
        assert found["judges"]["fake"]["speechqualityllm_explanatory"] == {"unable": "it only scores"}

    def test_a_peer_that_is_not_installed_is_a_reason_and_not_the_end(self, tmp_path):
        def load(spec):
            if spec == "peer:utmosv2":
                raise UsageError("peer:utmosv2: No module named 'utmosv2'. Get it: pip install utmosv2")
            return FakeJudge()

        found = run(nisqa_run(tmp_path, judges=("peer:utmosv2", "fake"), resamples=0), loader=load)
        assert "No module named" in found["judges"]["peer:utmosv2"]["nisqa_test"]["unable"]
        assert figures(found)["mos/PCC"]["coverage"] == 1

    def test_another_seed_needs_another_folder(self, tmp_path):
        run(nisqa_run(tmp_path), loader=lambda _: FakeJudge())
        with pytest.raises(UsageError, match="seed 0, not 1"):
            run(nisqa_run(tmp_path, seed=1), loader=lambda _: FakeJudge())

    def test_revision_stands_with_the_figures_and_another_needs_another_folder(self, tmp_path):
        def judge(revision):
            fake = FakeJudge()
            fake.facts = {**fake.facts, "revision": revision}
            return fake

        found = run(nisqa_run(tmp_path), loader=lambda _: judge("r1"))
        assert found["revisions"] == {"fake": "r1"}
        (tmp_path / "out" / "predictions.jsonl").unlink()
        with pytest.raises(UsageError, match="run of fake at r1, not r2"):
            run(nisqa_run(tmp_path), loader=lambda _: judge("r2"))

    def test_another_version_needs_another_folder(self, tmp_path):
        run(nisqa_run(tmp_path), loader=lambda _: FakeJudge())
        with pytest.raises(UsageError, match="another nisqa_test"):
            run(nisqa_run(tmp_path, benchmarks=(replace(load("nisqa_test"), version=2),)), loader=lambda _: FakeJudge())

    def test_a_run_from_before_there_were_versions_goes_on(self, tmp_path):
        run(nisqa_run(tmp_path), loader=lambda _: FakeJudge())
        path = tmp_path / "out" / "config.json"
        config = json.loads(path.read_text())
        del config["benchmarks"]["nisqa_test"]["version"]
        path.write_text(json.dumps(config))
        assert run(nisqa_run(tmp_path), loader=lambda _: FakeJudge())["versions"] == {"nisqa_test": 1}

    def test_missing_predictions_count_against_the_judge(self, tmp_path):
        class Silent(FakeJudge):
            def answer(self, questions):
                from audio_judge.eval.judges import Answer

                answers = super().answer(questions)
                return [
                    Answer(error="no words") if "c1" in q.id else a for q, a in zip(questions, answers, strict=True)
                ]

        whole = figures(run(nisqa_run(tmp_path, "whole"), loader=lambda _: FakeJudge()))["mos/MAE"]
        found = run(nisqa_run(tmp_path), loader=lambda _: Silent())
        figure = figures(found)["mos/MAE"]
        assert figure["coverage"] == pytest.approx(9 / 12)  # c1, c10, c11
        assert figure["value"] > whole["value"]
        assert found["judges"]["fake"]["nisqa_test"]["errors"] == {"no words": 3}


class TestProcesses:
    def test_killed_with_three_and_continued_with_two(self, tmp_path):
        whole = run(nisqa_run(tmp_path, "whole"), loader=lambda _: FakeJudge())
        judges = [FakeJudge(), FakeJudge(lives=2), FakeJudge(), FakeJudge()]
        run(nisqa_run(tmp_path, shard=Shard(0, 3)), loader=lambda _: judges[0])
        with pytest.raises(KeyboardInterrupt):
            run(nisqa_run(tmp_path, shard=Shard(1, 3), batch_size=1), loader=lambda _: judges[1])
        found = [
            run(nisqa_run(tmp_path, shard=Shard(one, 2)), loader=lambda _, one=one: judges[2 + one]) for one in (1, 0)
        ]
        assert found == [None, whole]
        ids = [row.id for row in read_rows(tmp_path / "whole" / "predictions.jsonl")]
        assert [row.id for row in read_rows(tmp_path / "out" / "predictions.jsonl")] == ids
        assert sorted(name for judge in judges for name in judge.asked) == sorted(ids)  # nothing twice
        assert not list((tmp_path / "out").glob("*part*"))

    def test_beside_another_process(self, tmp_path, monkeypatch):
        """A real second process, with the variables that accelerate and torchrun set; predictions stand in for a judge."""
        table = own_table(tmp_path / "mine.csv")
        lines = []
        for index in range(8):
            row = {"id": f"clip{index}.wav", "benchmark": "mine", "judge": "j", "task": "score", "rubrics": ["mos"]}
            lines.append(json.dumps(row | {"prediction": {"scores": {"mos": 1 + index / 2}}}) + "\n")
        (tmp_path / "old.jsonl").write_text("".join(lines))
        words = ["run", "--judge", f"predictions:{tmp_path / 'old.jsonl'}", "--data", str(table)]
        words += ["--out", str(tmp_path / "out"), "--resamples", "0"]
        other = Forked(lambda: cli.main(words), tmp_path / "log.txt", {"RANK": 1, "WORLD_SIZE": 2})
        monkeypatch.setenv("WORLD_SIZE", "2")
        assert cli.main(words) == 0
        other.succeed()
        assert [row.id for row in read_rows(tmp_path / "out" / "predictions.jsonl")] == [
            f"clip{i}.wav" for i in range(8)
        ]
        found = json.loads((tmp_path / "out" / "metrics.json").read_text())
        own = figures(found, f"predictions:{tmp_path / 'old.jsonl'}", "mine")
        assert own["mos/PCC"]["value"] == pytest.approx(1.0, abs=1e-4)  # the table is rounded


class TestCli:
    def test_run_score_and_report(self, tmp_path, capsys, monkeypatch):
        table = own_table(tmp_path / "mine.csv", with_audio=False)
        monkeypatch.setattr("audio_judge.eval.runner.load_judge", lambda *_, **__: FakeJudge())
        words = ["run", "--judge", "fake", "--data", str(table), "--out", str(tmp_path / "out"), "--resamples", "0"]
        assert cli.main(words) == 0
        shown = capsys.readouterr().out
        assert "| mos | fake |" in shown
        assert cli.main(["report", str(tmp_path / "out")]) == 0
        assert capsys.readouterr().out == shown

    def test_a_data_set_of_the_users_own(self, tmp_path, capsys, monkeypatch):
        rows = {"path": ["c1.wav", "c2.wav", "c3.wav"], "mos": [1.0, 3.0, 5.0]}
        Dataset.from_dict(rows).save_to_disk(tmp_path / "mine")
        monkeypatch.setattr("audio_judge.eval.runner.load_judge", lambda *_, **__: FakeJudge())
        data = ["--data", str(tmp_path / "mine"), "--out", str(tmp_path / "out"), "--resamples", "0"]
        assert cli.main(["run", "--judge", "fake", *data]) == 0
        assert "| mos | fake |" in capsys.readouterr().out

    def test_missing_data_is_exit_code_2(self, tmp_path, capsys, monkeypatch):
        monkeypatch.delenv("AUDIO_JUDGE_DATA", raising=False)
        words = ["run", "--judge", "peer:nisqa", "--tasks", "nisqa_test,qualispeech", "--out", str(tmp_path / "out")]
        assert cli.main(words) == 2
        said = capsys.readouterr().err
        assert "depositonce" in said
        assert "tsinghua-ee/QualiSpeech" in said
        assert not (tmp_path / "out").exists()

    def test_score_of_a_csv_with_truth(self, tmp_path, capsys):
        lines = ["file,guess,mos", *(f"c{i}.wav,{i},{i}" for i in (1, 2, 3)), "c4.wav,,4"]
        (tmp_path / "p.csv").write_text("\n".join(lines))
        columns = "id=file,mos=guess,truth.mos=mos"
        words = [
            "score",
            str(tmp_path / "p.csv"),
            "--task",
            "score",
            "--columns",
            columns,
            "--out",
            str(tmp_path / "o"),
        ]
        assert cli.main([*words, "--resamples", "0"]) == 0
        found = json.loads((tmp_path / "o" / "metrics.json").read_text())
        figure = figures(found, "predictions", "score")["mos/MAE"]
        assert figure["value"] == 0.75  # one of four is missing: |1 - 4| / 4
        assert figure["answered"] == 0.0
        assert "75.0 %" in capsys.readouterr().out
        assert cli.main(["report", str(tmp_path / "o")]) == 0
        assert "75.0 %" in capsys.readouterr().out  # though no run stands behind the figures

    def test_score_survives_what_is_no_number_and_repeated_ids(self, tmp_path):
        lines = ["id,mos,truth.mos", "a,1,1", "b,nan,2", "c,inf,3", "d,4,4", "d,5,4", "e,3,nan"]
        (tmp_path / "p.csv").write_text("\n".join(lines))
        words = ["score", str(tmp_path / "p.csv"), "--task", "score", "--resamples", "0", "--out", str(tmp_path / "o")]
        assert cli.main(words) == 0
        found = [json.loads(line) for line in (tmp_path / "o" / "predictions.jsonl").read_text().splitlines()]
        assert {row["id"]: row["error"] for row in found if row["error"]} == {
            "b": "mos is nan; a number, or an empty cell, is needed",
            "c": "mos is inf; a number, or an empty cell, is needed",
            "d#2": "the id 'd' was there before; the first row counts",
            "e": "truth.mos is nan; a number, or an empty cell, is needed",
        }
        figure = figures(json.loads((tmp_path / "o" / "metrics.json").read_text()), "predictions", "score")["mos/MAE"]
        assert (figure["n"], figure["coverage"], figure["answered"]) == (4, 0.5, 0.0)

    def test_a_word_in_place_of_a_number_stops(self, tmp_path, capsys):
        (tmp_path / "p.csv").write_text("id,mos,truth.mos\na,good,1\n")
        assert cli.main(["score", str(tmp_path / "p.csv"), "--task", "score"]) == 2
        assert "p.csv:2: mos is 'good'; a number, or an empty cell, is needed" in capsys.readouterr().err

    def test_a_rubric_that_is_spelled_wrong_is_no_new_one(self, tmp_path, capsys):
        (tmp_path / "said.csv").write_text("id,guess,truth\na,1,2\nb,2,2\n")
        words = ["score", str(tmp_path / "said.csv"), "--task", "score", "--out", str(tmp_path / "o")]
        assert cli.main([*words, "--columns", "noisyness=guess,truth.noisyness=truth"]) == 2
        assert "noisiness is meant" in capsys.readouterr().err

    def test_score_takes_rubrics_of_ones_own_in_any_case_by_language(self, tmp_path, capsys):
        lines = ["id,MOS,truth.MOS,guess,truth.similarity,language", "a,1,2,1,1,en", "b,2,2,3,3,en", "c,3,3,5,4,fr"]
        (tmp_path / "p.csv").write_text("\n".join(lines))
        words = ["score", str(tmp_path / "p.csv"), "--task", "score", "--resamples", "0", "--out", str(tmp_path / "o")]
        assert cli.main([*words, "--columns", "mos=MOS,similarity=guess", "--by", "language"]) == 0
        found = json.loads((tmp_path / "o" / "metrics.json").read_text())
        own = figures(found, "predictions", "score")
        assert own["mos/MAE"]["value"] == own["similarity/MAE"]["value"] == pytest.approx(1 / 3, abs=1e-6)
        parts = found["judges"]["predictions"]["score"]["parts"]["language"]
        assert {name: one["figures"]["similarity/MAE"]["value"] for name, one in parts.items()} == {"en": 0, "fr": 1}
        assert "fr, predictions" in capsys.readouterr().out

    def test_score_joins_with_a_benchmark(self, tmp_path):
        nisqa_corpus(tmp_path)
        (tmp_path / "p.csv").write_text("file,guess\n" + "".join(f"c{i}.wav,3\n" for i in range(11)))
        words = ["score", str(tmp_path / "p.csv"), "--task", "nisqa_test", "--columns", "id=file,mos=guess"]
        words += ["--data-root", str(tmp_path), "--resamples", "0", "--out", str(tmp_path / "o")]
        assert cli.main(words) == 0
        found = figures(json.loads((tmp_path / "o" / "metrics.json").read_text()), "predictions")
        assert found["mos/PCC"]["coverage"] == pytest.approx(11 / 12, abs=1e-6)
        assert "noisiness/PCC" not in found

    def test_score_parses_raw_words(self, tmp_path):
        lines = ["id,answer,label", 'a,"<answer>Fake</answer>",fake', "b,It is real.,real", "c,who knows,real"]
        (tmp_path / "p.csv").write_text("\n".join(lines))
        words = ["score", str(tmp_path / "p.csv"), "--task", "detect", "--columns", "text=answer,truth.label=label"]
        assert cli.main([*words, "--resamples", "0", "--out", str(tmp_path / "o")]) == 0
        found = figures(json.loads((tmp_path / "o" / "metrics.json").read_text()), "predictions", "detect")
        assert found["detect/ACC"]["value"] == pytest.approx(2 / 3, abs=1e-6)

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("p.csv", "id,text,truth.text\na,The cat sat.,The cat sat.\nb,No.,A dog ran off.\n"),
            (
                "p.jsonl",
                '{"id": "a", "text": "The cat sat.", "truth": {"text": "The cat sat."}}\n'
                '{"id": "b", "text": "No.", "truth": {"text": "A dog ran off."}}\n',
            ),
        ],
    )
    @pytest.mark.parametrize("named", [[], ["--columns", "text=text,truth.text=truth.text"]])
    def test_score_finds_columns_by_their_names_also_within_an_object(self, tmp_path, name, content, named):
        (tmp_path / name).write_text(content)
        words = ["score", str(tmp_path / name), "--task", "describe", *named, "--resamples", "0"]
        assert cli.main([*words, "--out", str(tmp_path / "o")]) == 0
        [first, _] = (json.loads(line) for line in (tmp_path / "o" / "predictions.jsonl").read_text().splitlines())
        assert first["truth"] == {"answer": "The cat sat."}
        assert first["text"] == ["The cat sat."]

    def test_score_takes_no_column_by_its_name_beside_named_ones(self, tmp_path):
        (tmp_path / "p.csv").write_text("file,guess,mos,text\na.wav,3,4,what was said\nb.wav,2,2,or not\n")
        words = ["score", str(tmp_path / "p.csv"), "--task", "score", "--columns", "id=file,mos=guess,truth.mos=mos"]
        assert cli.main([*words, "--resamples", "0", "--out", str(tmp_path / "o")]) == 0
        found = figures(json.loads((tmp_path / "o" / "metrics.json").read_text()), "predictions", "score")
        assert found["mos/MAE"]["value"] == 0.5

    def test_score_of_our_own_predictions(self, tmp_path):
        found = run(nisqa_run(tmp_path, resamples=0), loader=lambda _: FakeJudge())
        words = ["score", str(tmp_path / "out" / "predictions.jsonl"), "--task", "nisqa_test", "--resamples", "0"]
        assert cli.main([*words, "--out", str(tmp_path / "again")]) == 0
        again = json.loads((tmp_path / "again" / "metrics.json").read_text())
        assert again["judges"] == found["judges"]

    def test_ls(self, capsys):
        assert cli.main(["ls"]) == 0
        assert "nisqa_test (profile, version 1)" in capsys.readouterr().out
        assert cli.main(["ls", "peers"]) == 0
        assert "needs the original" in capsys.readouterr().out

    def test_reader_that_has_left(self):
        words = [sys.executable, "-u", "-m", "eval", "ls"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as listing:
            listing.stdout.readline()
            listing.stdout.close()
            assert (listing.stderr.read(), listing.wait(60)) == (b"", 1)

    def test_from_the_package(self, capsys):
        from audio_judge.cli.main import main

        assert main(["eval", "ls", "nisqa_tset"]) == 2
        assert "audio-judge eval ls: no benchmark" in capsys.readouterr().err

    def test_hub(self, tmp_path, capsys):
        import yaml
        from huggingface_hub import parse_eval_result_entries

        figure = {
            "value": 0.7,
            "low": 0.6,
            "high": 0.8,
            "n": 5,
            "coverage": 1.0,
            "answered": 0.7,
            "higher_is_better": True,
        }
        one = {"task": "score", "n": 5, "coverage": 1.0, "errors": {}, "left_out": {}, "figures": {"mos/PCC": figure}}
        (tmp_path / "metrics.json").write_text(
            json.dumps({"rule": "r", "judges": {"j": {"qualispeech": one}}, "pairs": {}})
        )
        defined = dict(yaml.safe_load((ROOT / "eval" / "benchmarks" / "qualispeech.yaml").read_text()))
        (tmp_path / "config.json").write_text(json.dumps({"benchmarks": {"qualispeech": defined}}))
        words = ["hub", str(tmp_path), "--judge", "j", "--model", "org/judge", "--out", str(tmp_path / "hub")]
        assert cli.main(words) == 0
        path = tmp_path / "hub" / ".eval_results" / "qualispeech.yaml"
        (entry,) = parse_eval_result_entries(yaml.safe_load(path.read_text()))
        assert (entry.dataset_id, entry.value) == ("tsinghua-ee/QualiSpeech", 0.7)
        card = yaml.safe_load((tmp_path / "hub" / "model_index.yaml").read_text())
        assert card["model-index"][0]["results"][0]["metrics"][0] == {"type": "pcc", "value": 0.7, "name": "mos/PCC"}
        assert cli.main([*words[:3], "nobody", *words[4:]]) == 2


def test_controls_are_given_the_named_clips_with_ratings_and_own_rubrics(tmp_path, monkeypatch, capsys):
    table = own_table(tmp_path / "own.csv", 4)
    rubric = tmp_path / "warmth.yaml"
    rubric.write_text("name: warmth\ndefinition: 'How warm it is: the highest score means warm, the lowest cold.'\n")
    given = {}

    def keep(judge, clips, suite, **how):
        given.update(how, ratings=[clip.ratings["mos"].value for clip in clips])
        return []

    monkeypatch.setattr("audio_judge.eval.controls.run_controls", keep)
    words = ["run", "--judge", "peer:length", "--tasks", "robustness", "--data", str(table), "--rubric", str(rubric)]
    assert cli.main([*words, "--out", str(tmp_path / "out")]) == 0
    assert given["ratings"] == [1.0, 2.33, 3.67, 5.0]
    assert [one.name for one in given["rubrics"]] == ["warmth"]
