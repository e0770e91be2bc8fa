import json
import multiprocessing
import shutil
import time

import pytest
from evaluators import chats, decided, decides, tiny_model  # noqa: F401
from stub import serving

from audio_judge.cli.grade import COLUMNS, Summary, parse_columns, parse_weights, read_case
from audio_judge.cli.main import main
from audio_judge.clips import RatedClip, Rating
from audio_judge.data.instructions import make_instructions
from audio_judge.errors import UsageError
from audio_judge.text_models.criteria import CRITERIA, RUBRIC_VERSION
from audio_judge.text_models.evaluator import Case

ROWS = [
    {"request": "How good?", "text": f"answer {index}", "truth": "mos 3", "task": "score", "path": f"{index}.wav"}
    for index in range(4)
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys):
    """`run(stub, "--out", …)`: exit code, stdout and stderr of grading `predictions.jsonl`."""

    def call(stub, *arguments, file="predictions.jsonl"):
        code = main(["grade", file, "--evaluator", stub.url, "--model", "tiny", *arguments])
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


def write(folder, rows, name="predictions.jsonl"):
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class TestGrade:
    def test_a_row_gets_its_grades_and_is_kept(self, folder, run):
        write(folder, ROWS)
        with serving(decides(8, 6, 4, 10)) as stub:
            code, _, _ = run(stub, "--out", "graded.jsonl")
        graded = read(folder / "graded.jsonl")
        assert code == 0
        assert [{name: row[name] for name in ROWS[0]} for row in graded] == ROWS
        assert graded[2]["grades"] == {"helpfulness": 0.8, "relevance": 0.6, "accuracy": 0.4, "detail": 1.0}
        assert graded[2]["lscore"] == pytest.approx((0.8 + 0.6 + 2 * 0.4 + 0.5) / 4.5, abs=1e-6)
        weights = {"helpfulness": 1.0, "relevance": 1.0, "accuracy": 2.0, "detail": 0.5}
        assert graded[2]["evaluator"] == {
            "model": "tiny",
            "form": "decision",
            "rubrics": RUBRIC_VERSION,
            "weights": weights,
        }

    def test_prints_the_means_and_lscore_with_coverage(self, folder, run):
        write(folder, ROWS)

        def reply(request, _times):
            return decided((8, 6, 4, 10)) if "answer 0" in request["state"] else decided((4, 4, 4, 4))

        with serving(reply) as stub:
            _, out, _ = run(stub, "--out", "graded.jsonl", "--weights", "detail=0,accuracy=1")
        assert out.splitlines() == [
            "helpfulness  0.500  weight 1",
            "relevance    0.450  weight 1",
            "accuracy     0.400  weight 1",
            "detail       0.550  weight 0",
            "LScore       0.450  coverage 100.0% (4 of 4 rows)",
        ]

    def test_without_a_file_the_rows_go_to_stdout(self, folder, run):
        write(folder, ROWS)
        with serving(decides(8, 8, 8, 8)) as stub:
            code, out, err = run(stub, "--limit", "2")
        assert code == 0
        assert [json.loads(line)["lscore"] for line in out.splitlines()] == [0.8, 0.8]
        assert "LScore       0.800  coverage 100.0% (2 of 2 rows)" in err

    def test_with_a_chat_server(self, folder, run):
        write(folder, ROWS)
        with serving(chats("8/10", "7", "6", "5")) as stub:
            assert run(stub, "--out", "graded.jsonl", "--extra", '{"top_k": 1}', "--max-tokens", "9")[0] == 0
        graded = read(folder / "graded.jsonl")
        assert graded[0]["grades"] == {"helpfulness": 0.8, "relevance": 0.7, "accuracy": 0.6, "detail": 0.5}
        assert graded[0]["evaluator"]["form"] == "chat"
        assert {(request["top_k"], request["max_tokens"]) for request in stub.requests if "messages" in request} == {
            (1, 8),  # to find out whether it tells its tokens
            (1, 9),
        }

    def test_with_a_local_model(self, folder, tiny_model, capsys):  # noqa: F811
        write(folder, ROWS[:2])
        assert main(["grade", "predictions.jsonl", "--evaluator", tiny_model, "--out", "graded.jsonl"]) == 0
        assert "LScore" in capsys.readouterr().out
        assert all(set(row["grades"]) == set(CRITERIA) for row in read(folder / "graded.jsonl"))

    def test_a_thought_alone_is_worth_zero(self, folder, run):
        write(folder, [ROWS[0], ROWS[1] | {"text": "<think>\nNoise: 1/5\n</think>"}])
        with serving(decides(8, 8, 8, 8)) as stub:
            code, out, _ = run(stub, "--out", "graded.jsonl")
        assert (code, read(folder / "graded.jsonl")[1]["lscore"]) == (0, 0.0)
        assert "LScore       0.400  coverage 100.0%" in out

    def test_keys_of_the_row_that_are_needed_are_renamed(self, folder, run):
        write(folder, [ROWS[0] | {"grades": "old", "error": None, "größe": 3}])
        with serving(decides(8, 8, 8, 8)) as stub:
            run(stub, "--out", "graded.jsonl")
        [row] = read(folder / "graded.jsonl")
        assert (row["input_grades"], row["input_error"], row["größe"]) == ("old", None, 3)
        assert "error" not in row

    def test_rows_stay_in_order_over_many_chunks(self, folder, run):
        rows = [ROWS[0] | {"text": f"{index}"} for index in range(20)]
        write(folder, rows)

        def reply(request, _times):
            return decided([int(json.loads(request["state"])["answer"]) / 4] * 4)

        with serving(reply) as stub:
            run(stub, "--out", "graded.jsonl", "--form", "decision", "--concurrency", "2")
        assert [row["lscore"] for row in read(folder / "graded.jsonl")] == [index / 40 for index in range(20)]


class TestBadRows:
    BAD = (
        "not json",
        '["a list"]',
        {"request": "a", "text": "b", "task": "score"},
        {"request": "a", "text": "b", "truth": "c"},
        {"request": "a", "text": "b", "truth": "c", "task": "detect"},
        {"request": "a", "text": 7, "truth": "c", "task": "score"},
        {"request": "a", "text": None, "truth": "c", "task": "score"},
        {"request": "a", "text": "b", "truth": " ", "task": "score"},
    )

    def test_each_is_one_error_row(self, folder, run):
        write(folder, [ROWS[0], *self.BAD, ROWS[1]])
        with serving(decides(8, 8, 8, 8)) as stub:
            code, out, err = run(stub, "--out", "graded.jsonl")
        graded = read(folder / "graded.jsonl")
        assert code == 1
        assert [row["lscore"] for row in graded] == [0.8, *[None] * len(self.BAD), 0.8]
        wanted = [
            "no JSON",
            "no JSON object",
            "no truth",
            "no task",
            "'detect' is not",
            "output is 7",
            "no output",
            "truth",
        ]
        for row, reason in zip(graded[1:-1], wanted, strict=True):
            assert reason in row["error"]
        assert "LScore       0.800  coverage 20.0% (2 of 10 rows)" in out
        assert "8 rows without a grade:" in err
        assert "predictions.jsonl row 4: no truth" in err

    def test_what_is_wrong_with_rows_does_not_count_against_the_evaluator(self, folder, run):
        write(folder, [*["{}"] * 50, ROWS[0]])
        with serving(decides(8, 8, 8, 8)) as stub:
            code, out, _ = run(stub, "--out", "graded.jsonl")
        assert code == 1
        assert "(1 of 51 rows)" in out

    def test_a_grade_that_failed_is_an_error_row(self, folder, run):
        write(folder, ROWS)

        def reply(request, _times):
            return {"status": 400} if "answer 2" in request["state"] else decided((5, 5, 5, 5))

        with serving(reply) as stub:
            code, out, _ = run(stub, "--out", "graded.jsonl", "--form", "decision")
        graded = read(folder / "graded.jsonl")
        assert code == 1
        assert [row["lscore"] for row in graded] == [0.5, 0.5, None, 0.5]
        assert graded[2]["error"].startswith("refused")
        assert "LScore       0.500  coverage 75.0%" in out

    def test_numbers_that_are_no_json(self, folder, run):
        write(folder, [json.dumps(ROWS[0] | {"x": 0})[:-2] + "1e999}", json.dumps(ROWS[1])[:-1] + ', "y": NaN}'])
        with serving(decides(8, 8, 8, 8)) as stub:
            assert run(stub, "--out", "graded.jsonl")[0] == 0
        assert [row.get("x", row.get("y")) for row in read(folder / "graded.jsonl")] == ["1e999", None]

    def test_no_row_with_a_grade(self, folder, run):
        write(folder, ["{}"])
        with serving(decides(8, 8, 8, 8)) as stub:
            code, out, _ = run(stub, "--out", "graded.jsonl")
        assert (code, out) == (1, "LScore       none   coverage 0.0% (0 of 1 rows)\n")


class TestGoingOn:
    def test_only_what_failed_is_asked_again(self, folder, run):
        write(folder, ROWS)
        healthy = []

        def reply(request, _times):
            return decided((5, 5, 5, 5)) if healthy or "answer 2" not in request["state"] else {"status": 400}

        with serving(reply) as stub:
            arguments = (stub, "--out", "graded.jsonl", "--form", "decision")
            assert run(*arguments)[0] == 1
            healthy.append(True)
            sent = len(stub.requests)
            assert run(*arguments)[0] == 0
            assert len(stub.requests) == sent + 1
        assert [row["lscore"] for row in read(folder / "graded.jsonl")] == [0.5] * 4

    def test_after_a_kill(self, folder):
        write(folder, [ROWS[0] | {"text": f"answer {index}"} for index in range(30)])
        gate = []

        def reply(request, _times):
            number = int(json.loads(request["state"])["answer"].split()[1])
            return decided((5, 5, 5, 5)) | ({"delay": 0.0} if gate or number < 20 else {"delay": 5.0})

        with serving(reply) as stub:
            command = [
                "grade",
                "predictions.jsonl",
                "--out",
                "graded.jsonl",
                "--evaluator",
                stub.url,
                "--model",
                "tiny",
            ]
            command += ["--form", "decision", "--concurrency", "2"]
            child = multiprocessing.get_context("fork").Process(target=main, args=(command,))
            child.start()
            graded = folder / "graded.jsonl"
            while child.is_alive() and not (graded.exists() and graded.read_text().count("\n") == 20):
                time.sleep(0.01)
            child.kill()
            child.join()
            assert child.exitcode == -9
            assert len(read(folder / "graded.jsonl")) == 20  # all that were finished
            shutil.rmtree(folder / "graded.jsonl.cache")
            gate.append(True)
            before = len(stub.requests)
            assert main(command) == 0
            assert len(stub.requests) - before == 30 - 20  # the rows that were written are not asked again
        assert [row["text"] for row in read(folder / "graded.jsonl")] == [f"answer {index}" for index in range(30)]

    def test_a_row_that_was_cut_off_is_graded_again(self, folder, run):
        write(folder, ROWS)
        with serving(decides(8, 8, 8, 8)) as stub:
            run(stub, "--out", "graded.jsonl")
            whole = (folder / "graded.jsonl").read_text()
            (folder / "graded.jsonl").write_text(whole[: len(whole) - 20])
            assert run(stub, "--out", "graded.jsonl")[:1] == (0,)
        assert (folder / "graded.jsonl").read_text() == whole

    def test_more_rows_go_on_and_equal_ones_are_as_many_as_they_were(self, folder, run):
        write(folder, [ROWS[0], ROWS[0], ROWS[1]])
        with serving(decides(8, 8, 8, 8)) as stub:
            _, out, _ = run(stub, "--out", "graded.jsonl", "--limit", "1")
            assert "(1 of 1 rows)" in out
            _, out, _ = run(stub, "--out", "graded.jsonl")
        assert "LScore       0.800  coverage 100.0% (3 of 3 rows)" in out
        assert [row["text"] for row in read(folder / "graded.jsonl")] == ["answer 0", "answer 0", "answer 1"]

    def test_bad_lines_are_said_anew(self, folder, run):
        write(folder, [ROWS[0], "not json", ROWS[1]])
        with serving(decides(8, 8, 8, 8)) as stub:
            first = run(stub, "--out", "graded.jsonl")
            assert run(stub, "--out", "graded.jsonl") == first
        assert [row["lscore"] for row in read(folder / "graded.jsonl")] == [0.8, None, 0.8]

    def test_an_evaluator_that_is_down_leaves_what_was_graded(self, folder, run):
        write(folder, ROWS)
        with serving(decides(8, 8, 8, 8)) as stub:
            run(stub, "--out", "graded.jsonl", "--limit", "2")
        before = (folder / "graded.jsonl").read_text()
        with serving(lambda *_: {"status": 503, "headers": {"Retry-After": "0"}}) as stub:
            code, _, err = run(stub, "--out", "graded.jsonl", "--form", "decision")
        assert code == 1  # asked for what is left: two rows, too few to call it down
        assert [row["lscore"] for row in read(folder / "graded.jsonl")] == [0.8, 0.8, None, None]
        assert (folder / "graded.jsonl").read_text().startswith(before)
        with serving(lambda *_: {"status": 503, "headers": {"Retry-After": "0"}}) as stub:
            code, _, err = run(stub, "--out", "other.jsonl")
        assert code == 2
        assert "evaluator tiny does not answer" in err
        assert "the same command goes on" in err
        assert not (folder / "other.jsonl").exists()

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ('{"path": "a.wav", "scores": {}}\n', "graded.jsonl:1: not written by `audio-judge grade`"),
            ("precious\n", "graded.jsonl:1: not written by `audio-judge grade`"),
            ({"evaluator": {"model": "other", "form": "chat"}}, "graded with model 'other', not 'tiny'"),
            ({"evaluator": {"model": "tiny", "form": "chat", "rubrics": 1}}, "graded with rubrics 1, not"),
        ],
    )
    def test_a_file_of_something_else_is_refused(self, folder, run, content, message):
        write(folder, ROWS)
        text = content if isinstance(content, str) else json.dumps({"lscore": 0.5, "grades": {}} | content) + "\n"
        (folder / "graded.jsonl").write_text(text)
        with serving(decides(8, 8, 8, 8)) as stub:
            code, _, err = run(stub, "--out", "graded.jsonl")
        assert (code, stub.requests) == (2, [])
        assert message in err
        assert (folder / "graded.jsonl").read_text() == text

    def test_other_weights_are_another_file(self, folder, run):
        write(folder, ROWS)
        with serving(decides(8, 8, 8, 8)) as stub:
            run(stub, "--out", "graded.jsonl")
            code, _, err = run(stub, "--out", "graded.jsonl", "--weights", "detail=0")
        assert code == 2
        assert "was graded with weights" in err

    def test_too_many_failures_stop_the_run(self, folder, run):
        write(folder, [ROWS[0] | {"text": f"answer {index}"} for index in range(30)])
        with serving(lambda *_: {"status": 400, "body": b"context too long"}) as stub:
            code, _, err = run(stub, "--out", "graded.jsonl", "--form", "decision")
        assert code == 2
        assert "20 of the latest 20 cases got no grade" in err
        assert "context too long" in err

    def test_a_higher_limit_goes_on(self, folder, run):
        write(folder, [ROWS[0] | {"text": f"answer {index}"} for index in range(30)])
        with serving(lambda *_: {"status": 400}) as stub:
            assert run(stub, "--out", "graded.jsonl", "--form", "decision", "--max-failure-rate", "1")[0] == 1
        assert len(read(folder / "graded.jsonl")) == 30


class TestTry:
    def test_says_how_often_true_answers_are_ranked_right(self, folder, run):
        clips = [RatedClip(f"{mos}.wav", {"mos": Rating(mos)}, "train", "x") for mos in (1.0, 2.0, 4.0, 5.0)]
        examples = list(make_instructions(clips, {"score": 1.0}, seed=0))
        write(folder, [json.loads(json.dumps(one)) for one in examples], "examples.jsonl")

        def reply(request, _times):
            fields = json.loads(request["state"])
            return decided([8 if fields["answer"] in fields["ground_truth"] else 2] * 4)

        with serving(reply) as stub:
            code, out, _ = run(stub, "--try", "2", file="examples.jsonl")
            assert len(stub.requests) == 1 + 2 * 3
            assert run(stub, "--try", "2", "--out", "x.jsonl", file="examples.jsonl")[0] == 2
        assert code == 0
        assert "evaluator (decision), a true answer against" in out
        assert out.count("100%") == 2

    def test_examples_that_teach_nothing_are_refused(self, folder, run):
        write(folder, ROWS)
        with serving(decides(8, 8, 8, 8)) as stub:
            code, _, err = run(stub, "--try", "2")
        assert (code, stub.requests) == (2, [])
        assert "predictions.jsonl" in err


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--out", "graded.csv"), "must end in .jsonl"),
            (("--out", "predictions.jsonl"), "also the input"),
            (("--weights", "style=1"), "--weights 'style=1': no 'style'; known are helpfulness"),
            (("--weights", "accuracy=high"), "--weights 'accuracy=high': a name with its weight"),
            (("--column", "text"), "--column text: one of request=NAME"),
            (("--column", "clip=x"), "--column clip=x"),
            (("--extra", "[1]"), "JSON object"),
            (("--extra", "{"), "no JSON"),
        ],
    )
    def test_what_cannot_be_done_is_said(self, folder, run, arguments, message):
        write(folder, ROWS)
        with serving(decides(8, 8, 8, 8)) as stub:
            code, _, err = run(stub, *arguments)
        assert code == 2
        assert message in err
        assert err.startswith("audio-judge grade: ")

    @pytest.mark.parametrize(("content", "message"), [(None, "no such file"), ("", "has no rows"), ("\n\n", "no rows")])
    def test_no_predictions(self, folder, run, content, message):
        if content is not None:
            (folder / "predictions.jsonl").write_text(content)
        with serving(decides(8, 8, 8, 8)) as stub:
            code, _, err = run(stub)
        assert code == 2
        assert message in err

    def test_a_folder_without_a_model(self, folder, capsys):
        write(folder, ROWS)
        assert main(["grade", "predictions.jsonl", "--evaluator", str(folder)]) == 2
        assert f"--evaluator {folder}: " in capsys.readouterr().err

    def test_the_key_comes_from_the_environment(self, folder, run, monkeypatch):
        write(folder, ROWS)
        monkeypatch.setenv("MY_KEY", "secret")
        with serving(decides(8, 8, 8, 8)) as stub:
            run(stub, "--out", "graded.jsonl", "--api-key-variable", "MY_KEY")
        assert stub.headers[0]["authorization"] == "Bearer secret"
        assert "secret" not in (folder / "graded.jsonl").read_text()


class TestReadCase:
    ROW = {"request": "a", "text": "b", "truth": "c", "task": "score"}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("task", "form"),
        [
            *(("assess", "assessment"), ("SingleEval", "assessment"), ("explain", "assessment")),
            *(("compare", "comparison"), ("CompareEval", "comparison"), ("Suggest", "suggestion")),
        ],
    )
    def test_form_of_a_task(self, task, form):
        assert read_case(self.ROW | {"task": task}, COLUMNS).form == form

    def test_form_of_the_row_comes_first(self):
        assert read_case(self.ROW | {"form": "suggestion"}, COLUMNS, "comparison").form == "suggestion"

    def test_form_of_the_command_is_for_rows_without(self):
        row = {name: value for name, value in self.ROW.items() if name != "task"}
        assert read_case(row, COLUMNS, "comparison").form == "comparison"
        assert read_case(self.ROW, COLUMNS, "comparison").form == "assessment"

    @pytest.mark.parametrize(
        ("row", "request_text", "output", "truth"),
        [
            ({"prompt": "a", "output": "b", "labels": "c"}, "a", "b", "c"),
            ({"question": "a", "response": "b", "reference": "c"}, "a", "b", "c"),
            (
                {"prompt": "a", "response": "b", "labels": {"noisiness": 1.9}},
                "a",
                "b",
                "noisiness: noisy (1.9; 1 is very noisy, 5 is not noisy)",
            ),
            (
                {
                    "prompt": [
                        {"role": "system", "content": "Be brief."},
                        {"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": " Rate it."}]},
                    ],
                    "completion": [{"role": "assistant", "content": "good"}],
                    "ground_truth": ["mos 4"],
                },
                "<audio> Rate it.",
                "good",
                '["mos 4"]',
            ),
            (
                {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "x"}], "response": "b"}
                | {"labels": "c"},
                "a",
                "b",
                "c",
            ),
        ],
    )
    def test_usual_columns(self, row, request_text, output, truth):
        assert read_case(row | {"task": "score"}, COLUMNS) == Case("assessment", request_text, output, truth)

    def test_named_columns(self):
        columns = parse_columns(["output=answer.text", "truth=a.b"])
        row = {"prompt": "p", "text": "not this", "answer": {"text": "b"}, "a.b": "c", "a": {"b": "d"}, "task": "score"}
        assert read_case(row, columns) == Case("assessment", "p", "b", "c")

    def test_a_named_column_has_no_substitute(self):
        with pytest.raises(ValueError, match="no output; answer is needed"):
            read_case(self.ROW, parse_columns(["output=answer"]))

    @pytest.mark.parametrize("prompt", [7, [], [{"role": "assistant", "content": "x"}], [7], [{"role": "user"}]])
    def test_a_request_without_words(self, prompt):
        with pytest.raises(ValueError, match="request is"):
            read_case({"request": prompt, "text": "b", "truth": "c", "task": "score"}, COLUMNS)


class TestParseWeights:
    def test_none_are_the_usual_ones(self):
        assert parse_weights(None) == {"helpfulness": 1.0, "relevance": 1.0, "accuracy": 2.0, "detail": 0.5}

    @pytest.mark.parametrize("text", ["accuracy", "accuracy=-1", "=1", "accuracy=1;detail=2"])
    def test_refuses_what_is_none(self, text):
        with pytest.raises(UsageError, match="--weights"):
            parse_weights(text)


class TestSummary:
    def test_rows_without_a_grade_lower_the_coverage_only(self):
        summary = Summary({"accuracy": 1.0})
        for grade in (0.25, None, 0.75):
            summary.add(grade and dict.fromkeys(CRITERIA, grade))
        assert summary.lines()[-1] == "LScore       0.500  coverage 66.7% (2 of 3 rows)"
