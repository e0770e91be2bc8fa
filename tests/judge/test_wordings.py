"""Which typed questions a judge knows in their words, and what others are asked as."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from tiny import make_judge, tone

from audio_judge.judge.identity import UntrainedQuestionWarning
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.learned import Learned, Lesson
from audio_judge.judge.shipped import shipped_judge
from audio_judge.judge.wordings import is_ours, understand, understood_by
from audio_judge.languages import LANGUAGES, get_language
from audio_judge.rubrics.rubric import get_rubric
from audio_judge.tasks.faults import CONTENT_QUESTION, FAULT_QUESTIONS, SAME_QUESTIONS, SPAN_QUESTIONS, all_questions
from audio_judge.training.notes import learned_from

LEARNED = Learned(
    {"decide": Lesson("decision", ("mos", "noisiness")), "detect_question": Lesson("decision")},
    has_faults=True,
    questions=("Is it warm?",),
)
LEVELS = list(get_rubric("noisiness").levels)


def asked(question, learned=LEARNED, **more):
    """What a question is asked as, and what its answer says beside itself."""
    found = understand({"q": question}, learned, **more)
    return [found.asked[name]["instructions"] for name in found.parts["q"]], found.notes.get("q", {})


def noul(text):
    return {"type": "noul", "instructions": text}


def span(text):
    return {"type": "span", "instructions": text}


def score(text, levels=LEVELS):
    return {"type": "score", "instructions": text, "criteria": levels}


@pytest.mark.parametrize(
    "question",
    [
        *all_questions(with_spans=True).values(),
        CONTENT_QUESTION,
        noul("Is this speech fake?"),
        noul("Is it warm?"),
        score("How noisy is the speech?"),
        score("Rate the noisiness of the speech."),
    ],
    ids=lambda question: question["instructions"],
)
def test_what_was_learned_is_asked_as_it_is(question):
    assert asked(question) == ([question["instructions"]], {})


@pytest.mark.parametrize(
    ("question", "known"),
    [
        (noul("Is it noisy?"), "Is there background noise?"),
        (noul("is there any noise in this recording"), "Is there background noise?"),
        (noul("Can you hear background noise in the clip, please?"), "Is there background noise?"),
        (noul("有背景噪声吗？"), "Is there background noise?"),
        (noul("この録音に雑音がありますか。"), "Is there background noise?"),
        (noul("Y a-t-il du bruit de fond ?"), "Is there background noise?"),
        (noul("Do you hear clicks?"), "Are there clicks?"),
        (noul("Is this recording reverberant?"), "Is the voice reverberant?"),
        (noul("Cette voix a-t-elle été générée ?"), "Is this speech fake?"),
        (noul("Is this voice AI-generated?"), "Is this speech fake?"),
        (span("Dropouts"), "dropout"),
        (span("des coupures"), "dropout"),
        ({**CONTENT_QUESTION, "instructions": "What do you hear?"}, "What is heard?"),
        (score("noisiness"), "How noisy is the speech?"),
        (
            score("语音里的噪声有多大？", list(get_language("zh").rubrics["noisiness"].levels)),
            "How noisy is the speech?",
        ),
    ],
    ids=lambda given: given if isinstance(given, str) else given["instructions"],
)
def test_what_means_the_same_is_asked_in_known_words_and_says_so(question, known):
    assert asked(question) == ([known], {"asked_as": known})


@pytest.mark.parametrize(
    "question",
    [
        noul("Is there hum?"),
        noul("Is it free of noise?"),
        noul("Is there no noise?"),
        {**noul("Is there background noise?"), "criteria": {"true": "a lot", "false": "a little"}},
        span("coughs"),
        score("How noisy is the speech?", ["very", "somewhat", "not"]),
        score("How good does the speech sound overall?", LEVELS),
        {"type": "choice", "instructions": "What is heard?", "criteria": {"speech": None, "music": None}},
    ],
    ids=lambda question: str(question["instructions"]),
)
def test_any_other_is_asked_as_it_is_with_a_warning(question):
    words, note = asked(question, name="tiny")
    assert words == [question["instructions"]]
    assert note["warning"].startswith(f"tiny never learned the question {question['instructions']!r}")


def test_known_words_that_this_judge_did_not_learn_are_unknown():
    only_scores = Learned({"decide": Lesson("decision", ("mos",))})
    for question in (noul("Are there clicks?"), noul("Is this speech fake?"), score("How noisy is the speech?")):
        assert "warning" in asked(question, only_scores)[1]
    assert "warning" in asked(span("dropout"), has_spans=False)[1]


def test_a_judge_that_does_not_say_what_it_learned_is_asked_as_it_is():
    assert asked(noul("Is there hum?"), None) == (["Is there hum?"], {})


def test_dropouts_are_asked_about_in_two_questions_of_which_one_is_enough():
    found = understand({"q": noul("Are there dropouts?"), "q (2)": noul("Are there clicks?")}, LEARNED)
    first, second = found.parts["q"]
    assert second != "q (2)"
    answers = {name: {"type": "noul", "noul": p} for name, p in ((first, 0.2), (second, 0.9), ("q (2)", 0.1))}
    assert found.answers(answers) == {
        "q": {"type": "noul", "noul": 0.9, "asked_as": "Is speech cut out in places? / Is there packet loss?"},
        "q (2)": {"type": "noul", "noul": 0.1},
    }


@pytest.mark.parametrize("code", LANGUAGES)
def test_tables_name_known_questions_and_no_words_mean_two(code):
    table, seen = get_language(code).asked, {}
    assert set(table.things) <= {*SAME_QUESTIONS, *SPAN_QUESTIONS}
    assert set(table.whole) <= {*SAME_QUESTIONS, "fake"}
    assert set(table.things) == set(get_language("en").asked.things) - ({"level"} if code != "en" else set())
    for part in (table.things, table.whole):
        for meant, texts in part.items():
            for text in texts:
                assert seen.setdefault(text, meant) == meant
    if code == "en":
        ours = {text: kind for kind, texts in FAULT_QUESTIONS.items() for text in texts}
        assert all(asked(noul(text)) == ([text], {}) for text in ours)


def test_questions_of_ones_own_are_noted_in_training_and_ours_are_not():
    examples = [{"task": "decide", "questions": {"w": noul("Is it warm?"), "n": noul("Are there clicks?"),
                                                 "mos": score("How noisy is the speech?")}}]  # fmt: skip
    assert learned_from(examples).questions == ("Is it warm?",)
    assert Learned.from_note(LEARNED.note()) == LEARNED


@pytest.mark.parametrize("question", [span("clicks"), noul("Did software generate this voice?"), {
    "type": "choice", "instructions": "Which clip is better in noisiness, A or B?", "criteria": {"A": None, "B": None}}])  # fmt: skip
def test_all_kinds_of_ours_are_known_as_such(question):
    assert is_ours(question)


class TestJudge:
    @pytest.fixture(scope="class")
    def judge(self, tmp_path_factory):
        model, processor = make_judge(tmp_path_factory.mktemp("wordings"))
        model.config.learned = LEARNED.note()
        return AudioJudge(model, processor, name="tiny")

    def test_another_wording_gets_the_answer_to_the_known_one(self, judge):
        clip = (tone(0.4), 48_000)
        found = judge.decide(clip, {"a": noul("Is it noisy?"), "b": noul("Is there background noise?")})
        assert found["a"]["noul"] == pytest.approx(found["b"]["noul"], abs=1e-5)
        assert (found["a"]["asked_as"], "asked_as" in found["b"]) == ("Is there background noise?", False)

    def test_an_unknown_question_warns_once(self, judge):
        clip = (tone(0.4), 48_000)
        with pytest.warns(UntrainedQuestionWarning, match="tiny never learned the question 'Is there hum"):
            found = judge.decide(clip, {"hum": noul("Is there hum?")})
        assert "never learned" in found["hum"]["warning"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            judge.decide(clip, {"hum": noul("Is there hum?")})


@pytest.mark.skipif(shipped_judge("mini") is None, reason="the mini judge is not in this copy")
def test_mini_hears_gaps_and_noise_in_other_words():
    """Answered .04 and .13 before, in words that it never learned."""
    judge = AudioJudge.from_pretrained("mini", device="cpu")
    samples, rate = soundfile.read("examples/clips/clean_anna.ogg", dtype="float32")
    gaps, noise = samples.copy(), np.random.default_rng(0).normal(scale=0.03, size=len(samples)).astype(np.float32)
    for place in (0.25, 0.5, 0.75):
        start = round(place * len(samples) - 0.2 * rate)
        gaps[start : start + round(0.4 * rate)] = 0
    questions = {"gaps": noul("Are there dropouts?"), "noise": noul("Is it noisy?")}
    broken, noisy, clean = judge.decide([(gaps, rate), (samples + noise, rate), (samples, rate)], questions)
    assert [round(one["gaps"]["noul"]) for one in (broken, noisy, clean)] == [1, 0, 0]
    assert [round(one["noise"]["noul"]) for one in (broken, noisy, clean)] == [0, 1, 0]


def test_by_a_model_that_says_what_it_learned():
    learned = Learned({"decide": Lesson("decision", ("mos",))}, has_faults=True).note()
    model = SimpleNamespace(config=SimpleNamespace(learned=learned))  # native models have no head for spans
    questions = {"noisy": noul("Is it noisy?"), "hum": noul("Is there hum?"), "when": span("Where is it noisy?")}
    found = understood_by(model, SimpleNamespace(), questions | {"broken": "no question"}, "tiny")
    assert found.asked["noisy"]["instructions"] == "Is there background noise?"
    assert (found.asked["hum"], found.asked["broken"]) == (questions["hum"], "no question")
    answers = found.answers({name: {"type": "noul", "noul": 0.5} for name in found.asked})
    assert answers["noisy"]["asked_as"] == "Is there background noise?"
    assert answers["hum"]["warning"].startswith("tiny never learned")
    assert answers["when"]["warning"].startswith("tiny never learned")


class TestWithAHeadForWords:
    """Of a judge that hears what any text asks about."""

    def test_a_question_that_it_hears_is_asked_as_it_is(self):
        question = noul("Does it wobble like a warped record?")
        found = understand({"q": question}, LEARNED, hears=lambda _: True)
        assert (found.asked, found.notes) == ({"q": question}, {})

    def test_a_question_that_cannot_be_heard_has_a_warning(self):
        found = understand({"q": noul("Is the speaker over forty?")}, LEARNED, hears=lambda _: False)
        assert "warning" in found.notes["q"]

    def test_what_means_a_question_that_it_learned_is_asked_in_those_words(self):
        found = understand({"q": noul("Is it noisy?")}, LEARNED, hears=lambda _: True)
        assert found.notes["q"] == {"asked_as": "Is there background noise?"}
