import pytest

from audio_judge.data.augment import invert
from audio_judge.languages import LANGUAGES
from audio_judge.rubrics.rubric import HUNDRED, RUBRICS, SPEECHEVAL_RUBRICS, TEN, Rubric, get_rubric, in_language
from audio_judge.tasks import TASKS, zero_shot
from audio_judge.tasks.free_words import read_free

MOS = get_rubric("mos")
FIVE, EIGHT = tuple(RUBRICS.values()), tuple(SPEECHEVAL_RUBRICS.values())
# What each task is asked for; how its answer is to look, in words of the request; such an answer; and what it states
ASKED = {
    "score": ((MOS,), "one number from 1 to 5", "3.5", {"mos": 3.5}),
    "rate": ((MOS.on(HUNDRED),), "one number from 0 to 100", "70", {"mos": 70.0}),
    "categorize": ((get_rubric("noisiness"),), "one of these levels", "not noisy", {"noisiness": 5.0}),
    "profile": (FIVE, "Noisiness: NUMBER", "Overall quality: 3\nNoisiness: 2", {"mos": 3.0, "noisiness": 2.0}),
    "explain": (FIVE, "in one paragraph", "Noisiness: 2\n\nThere is background noise.", {"noisiness": 2.0}),
    "describe": ((MOS,), "'The MOS is NUMBER.'", "There is hiss. The MOS is 3.", {"mos": 3.0}),
    "assess": (EIGHT, "Overall Quality: NUMBER/5", "Overall Quality: 3/5\nSpeech Rate: slow\n\nFair.", {"mos": 3.0, "speech_rate": 1.0}),
    "suggest": ((), "one suggestion per line", "Key improvement areas: distortion\nRecord again.", ("distortion",)),
    "detect": ((), "one word, real or fake", "fake", "fake"),
    "compare": ((MOS,), "[SpeechA] if A is better", "B is clearer.\n[SpeechB]", {"mos": "B"}),
}  # fmt: skip


def test_all_tasks_are_there():
    assert ASKED.keys() == TASKS.keys()


@pytest.mark.parametrize("task", ASKED)
def test_criterion_ends_and_form_are_said(task):
    rubrics, form, answer, stated = ASKED[task]
    request = zero_shot.ask(task, rubrics)
    assert form in request
    for rubric in rubrics:
        assert rubric.definition in request
        assert task == "compare" or zero_shot.scale(rubric) in request
    facts = read_free(task, answer, rubrics)
    found = {"suggest": facts.areas, "detect": facts.label, "compare": facts.verdicts}.get(task, facts.values)
    assert found == stated


def test_a_summary_without_a_thought_is_what_stands_beside_the_lines():
    assert read_free("assess", "Overall Quality: 3/5\nSpeech Rate: slow\n\nIt is fair.").words == "It is fair."
    pair = "Overall Quality: A is better than B\n\nA is cleaner."
    assert read_free("compare", pair, EIGHT).words == "A is cleaner."


def test_clips_are_compared_in_the_one_rubric_or_on_the_whole():
    assert "Which is better in noisiness?" in zero_shot.ask("compare", ["noisiness"])
    several = zero_shot.ask("compare", ["naturalness", "noisiness"])
    assert "Which is better in overall quality?" in several
    assert "Speak of naturalness and noisiness, too." in several


class TestScale:
    @pytest.mark.parametrize(("rubric", "said"), [
        (MOS, "Scale from 1 to 5: 1 = bad, 2 = poor, 3 = fair, 4 = good, 5 = excellent; 5 is best."),
        (MOS.on(TEN), "Scale from 1 to 10: 1 means bad and 10 means excellent; 10 is best."),
        (invert(MOS).on(HUNDRED), "Scale from 0 to 100: 0 means excellent and 100 means bad; 0 is best."),
        (get_rubric("speech_rate").on(HUNDRED), "Scale from 0 to 100: 0 means slow and 100 means fast; 50 is best."),
        (Rubric("warmth", "How warm it is.", levels=("1", "3", "5")), "Scale from 1 to 5; 5 is best."),
    ])  # fmt: skip
    def test_ends_and_good_place(self, rubric, said):
        assert zero_shot.scale(rubric) == said


def test_the_rubrics_own_question_is_asked():
    rubric = Rubric("warmth", "How warm the voice is: the highest score is warm.", questions=("Is it warm?",))
    assert "\nIs it warm?\n" in zero_shot.ask("score", [rubric])


def test_which_clip_is_judged_beside_a_reference_is_said():
    assert zero_shot.ask("score", [MOS], with_reference=True).startswith("The degraded clip is to be judged;")


@pytest.mark.parametrize("language", LANGUAGES)
def test_typed_questions_hold_the_definition(language):
    rubric, words = get_rubric("noisiness"), in_language(get_rubric("noisiness"), language)
    asked = zero_shot.question(rubric, language)
    assert asked["instructions"] == f"{rubric.question(language=language)['instructions']}\n{words.definition}"
    assert asked["criteria"] == list(words.levels)
    assert words.definition in zero_shot.compare_question(rubric, language)["instructions"]


def test_what_fake_means_is_said_in_typed_questions_too():
    assert "text-to-speech" in zero_shot.detect_question()["instructions"]
