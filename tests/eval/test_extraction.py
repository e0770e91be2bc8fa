import json
import math

import pytest
from eval_data import own_table, write_clip
from stub import serving

from audio_judge.errors import UsageError
from audio_judge.eval import cli
from audio_judge.eval.benchmarks import Question
from audio_judge.eval.extraction import Extractor
from audio_judge.eval.judges import Answer, ServedJudge
from audio_judge.eval.predictions import read_rows
from audio_judge.eval.prompts import read
from audio_judge.rubrics.rubric import SPEECHEVAL_RUBRICS, get_rubric

MOS = (get_rubric("mos"),)
TWO = (get_rubric("mos"), get_rubric("noisiness"))


def completed(question, texts, reply):
    """What a text model that replies so makes of answers, with the requests that it got."""
    prediction, error = read(question, texts)
    with serving(reply if callable(reply) else lambda *_: reply) as server:
        reader = Extractor(f"{server.url}#reader", first_wait=0.0)
        (answer,) = reader.complete([question], [Answer(prediction, tuple(texts), error)])
    return answer, [request["messages"][0]["content"] for request in server.requests]


def said(value, quote):
    return f"value: {value}\nquote: {quote}"


class TestExtractor:
    def test_what_was_read_directly_is_not_asked_for(self):
        answer, requests = completed(Question("a", "score", ("a.wav",), MOS), ["3.5"], "never")
        assert (answer.prediction, answer.extracted, requests) == ({"scores": {"mos": 3.5}}, {}, [])

    def test_only_what_is_missing_is_asked_for_and_marked(self):
        texts = ["4", "Somewhere around three and a half, I feel."]
        answer, requests = completed(
            Question("a", "score", ("a.wav",), TWO), texts, said(3.5, "around three and a half")
        )
        assert answer.prediction == {"scores": {"mos": 4.0, "noisiness": 3.5}}
        assert answer.extracted == {"scores.noisiness": "around three and a half"}
        assert (len(requests), answer.error) == (1, None)
        assert json.dumps(texts[1]) in requests[0]
        assert "1 to 5" in requests[0]

    @pytest.mark.parametrize("reply", [
        "value: none\nquote: none",
        said(4, "I would say four stars"),  # words that nobody said
        said(9, "about middling"),  # not on the scale
        said(3, ""),
        "It gets a 3.",
    ])  # fmt: skip
    def test_what_the_answer_does_not_say_stays_missing(self, reply):
        question = Question("a", "score", ("a.wav",), MOS)
        answer, _ = completed(question, ["It is about middling, maybe a bit less."], reply)
        assert (answer.prediction, answer.extracted) == (None, {})
        assert answer.error.startswith("mos: ")

    @pytest.mark.parametrize(("text", "value", "quote"), [
        ("It is 7/10.", 3.5, "7/10"),  # converted
        ("between 3 and 4", 3.5, "between 3 and 4"),
        ("At least a 3, I guess.", 3, "at least a 3"),
    ])  # fmt: skip
    def test_a_number_that_is_not_said_so_is_not_taken(self, text, value, quote):
        answer, _ = completed(Question("a", "score", ("a.wav",), MOS), [text], said(value, quote))
        assert answer.prediction is None
        assert "not extracted" in answer.error

    def test_pairs_in_both_orders(self):
        question = Question("a", "compare", ("a.wav", "b.wav"), MOS)
        answer, requests = completed(
            question, ["Clip A is better.", "I like the second more."], said("B", "I like the second more")
        )
        assert answer.prediction["preferences"] == {"mos": "A"}
        assert answer.prediction["swapped"] == {"mos": "B"}
        assert (list(answer.extracted), len(requests)) == (["swapped"], 1)

    def test_labels_and_levels(self):
        answer, _ = completed(
            Question("a", "detect", ("a.wav",)), ["It came out of a machine."], said("fake", "out of a machine")
        )
        assert answer.prediction == {"is_real": False}
        answer, _ = completed(
            Question("a", "categorize", ("a.wav",), MOS), ["Very good indeed."], said("Excellent", "very good indeed")
        )
        assert answer.prediction == {"levels": {"mos": "excellent"}}

    def test_an_explanation_keeps_its_words(self):
        text = "There is background noise; overall it is so-so, three I would say."
        reply = said(3, "overall it is so-so, three")
        answer, _ = completed(Question("a", "explain", ("a.wav",), MOS), [text], reply)
        assert answer.prediction["scores"] == {"mos": 3.0}
        assert answer.prediction["causes"] == [{"kind": "noise", "spans": []}]
        assert answer.prediction["answer"] == text

    def test_a_speech_rate_is_a_word(self):
        rubrics = (SPEECHEVAL_RUBRICS["mos"], SPEECHEVAL_RUBRICS["speech_rate"])
        text = "Overall Quality: 3/5\n\nThe person rushes."
        answer, _ = completed(Question("a", "assess", ("a.wav",), rubrics), [text], said("fast", "the person rushes"))
        assert answer.prediction["speech_rate"] == "fast"
        assert answer.extracted == {"levels.speech_rate": "the person rushes"}

    def test_a_server_that_fails_says_why(self):
        question = Question("a", "score", ("a.wav",), MOS)
        answer, _ = completed(question, ["middling"], lambda *_: {"status": 400, "body": b"no such model"})
        assert "no such model" in answer.error

    def test_unusable_address(self):
        with pytest.raises(UsageError, match="--extract reader"):
            Extractor("reader#m")


class TestRun:
    def test_coverage_of_its_own(self, tmp_path, capsys):
        table = own_table(tmp_path / "own.csv", 8)
        directly = iter(range(100))

        def judge(*_):
            return "3.0" if next(directly) % 4 else "Middling."

        out = tmp_path / "out"
        with serving(judge) as judged, serving(lambda *_: said(3, "Middling")) as reader:
            words = ["run", "--judge", f"{judged.url}#j", "--data", str(table), "--extract", f"{reader.url}#r"]
            words += ["--out", str(out), "--resamples", "0", "--no-progress"]
            assert cli.main(words) == 0
            assert cli.main(words) == 0  # nothing is asked again
            assert len(judged.requests) == 8
            assert len(reader.requests) == 1  # equal answers are read once
            assert cli.main([*words[:5], *words[7:]]) == 2  # another run: without extraction
        rows = list(read_rows(out / "predictions.jsonl"))
        marked = [row for row in rows if row.extracted]
        assert [row.extracted for row in marked] == [{"scores.mos": "Middling"}] * 2
        assert {row.prediction["scores"]["mos"] for row in rows} == {3.0}
        (found,) = json.loads((out / "metrics.json").read_text())["judges"][f"{judged.url}#j"].values()
        assert (found["coverage"], found["extracted"]) == (0.75, 0.25)
        assert found["figures"]["mos/MAE"]["coverage"] == 1.0
        assert "75.0 % of the answers were read directly, 25.0 % by a text model" in capsys.readouterr().out


def tells(text, *tokens):
    """A reply with the log-probabilities of its tokens, each with what might have stood there."""
    content = [
        {"token": token, "logprob": math.log(others[token]),
         "top_logprobs": [{"token": one, "logprob": math.log(share)} for one, share in others.items()]}
        for token, others in tokens
    ]  # fmt: skip
    choice = {"message": {"content": text}, "finish_reason": "stop", "logprobs": {"content": content}}
    return {"body": json.dumps({"choices": [choice]}).encode()}


class TestServedDetection:
    @pytest.fixture
    def question(self, tmp_path):
        return Question("a", "detect", (write_clip(tmp_path / "a.wav"),))

    def test_real_by_the_probabilities_of_the_labels(self, question):
        first = ("Re", {"Re": 0.6, " fake": 0.15, "The": 0.2, "F": 0.05})
        with serving(lambda *_: tells("Real", first, ("al", {"al": 1.0}))) as server:
            (answer,) = ServedJudge(f"{server.url}#m").answer([question])
        assert server.requests[0]["logprobs"] is True
        assert answer.prediction == {"is_real": True, "real": pytest.approx(0.6 / 0.8)}
        assert answer.text == ("Real",)

    def test_the_label_within_a_sentence(self, question):
        tokens = [
            ("It", {"It": 1.0}),
            (" is", {" is": 1.0}),
            (" fake", {" fake": 0.7, " real": 0.3}),
            (".", {".": 1.0}),
        ]
        with serving(lambda *_: tells("It is fake.", *tokens)) as server:
            (answer,) = ServedJudge(f"{server.url}#m").answer([question])
        assert answer.prediction == {"is_real": False, "real": pytest.approx(0.3)}

    def test_a_denied_label_has_no_probability(self, question):
        tokens = [("not", {"not": 1.0}), (" real", {" real": 0.9, " fake": 0.1})]
        with serving(lambda *_: tells("not real", *tokens)) as server:
            (answer,) = ServedJudge(f"{server.url}#m").answer([question])
        assert answer.prediction is None

    def test_a_server_that_tells_none_is_read_in_words_and_not_asked_for_them_again(self, question):
        with serving(lambda *_: "synthetic") as server:
            judge = ServedJudge(f"{server.url}#m")
            answers = judge.answer([question]) + judge.answer([question])
        assert [answer.prediction for answer in answers] == [{"is_real": False}] * 2
        assert ["logprobs" in request for request in server.requests] == [True, False, False]
