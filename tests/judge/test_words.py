"""Answers in words: whatever a judge would write, the whole parses strictly and agrees with what was decided."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import make_judge, tone

from audio_judge.audio import AudioError
from audio_judge.clips import Cause
from audio_judge.judge.drafts import (
    assessment,
    comparison,
    description,
    explanation,
    sentences,
    suggestions,
    trimmed,
)
from audio_judge.judge.judge import AudioJudge
from audio_judge.languages import LANGUAGES, get_language
from audio_judge.messages import clip_state, text_messages
from audio_judge.rubrics.rubric import RUBRICS, SPEECHEVAL_RUBRICS
from audio_judge.tasks import Assessment, Comparison, Distortion, assess, compare, describe, detect, explain, suggest
from audio_judge.tasks.faults import FAULT_QUESTIONS, addressed_types, all_questions, distortions_by_cause
from audio_judge.tasks.listeners import as_listener

CLIPS = [(tone(0.6, 300), 48_000), (tone(0.9, 1200), 48_000)]
SEEDS = range(4)
SCORES = {"mos": 2.44, "noisiness": 1.8, "coloration": 3.0, "discontinuity": 4.0, "loudness": 5.000000001}
FACTS = Assessment({"mos": 2.0, "distortion": 1.5, "intelligibility": 4.0}, "fast")
LOSSY = Assessment({"mos": 2.0, "distortion": 1.5}, distortions=(Distortion("drop / missing", ((0.5, 1.0),)),))
CLEAN = Assessment({"mos": 4.0, "distortion": 4.5})
EXAMPLES = Path(__file__).parents[2] / "examples" / "clips"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("words")


@pytest.fixture(scope="module")
def judge(folder):
    return AudioJudge(*make_judge(folder), name="tiny")


@pytest.fixture(scope="module", params=SEEDS)
def random_judge(folder, request):
    """A judge that writes at random, another text for each seed."""
    model, processor = make_judge(folder)
    torch.manual_seed(request.param)
    with torch.no_grad():
        for weight in model.model.language_model.parameters():
            weight.normal_(0, 0.4)
    return AudioJudge(model, processor)


class TestEveryAnswerParses:
    def test_explain(self, random_judge):
        for said in random_judge.explain(CLIPS, max_new_tokens=24):
            parsed = explain.parse(said.text, strict=True)
            assert parsed.scores == {name: round(score.value, 1) for name, score in said.scores.items()}
            assert said.text.endswith(said.reasons)

    def test_assess(self, random_judge):
        for said in random_judge.assess(CLIPS, max_new_tokens=24):
            assert assess.parse(said.text, strict=True) == said.assessment
            assert said.assessment.scores["mos"] == round(said["mos"].value, 1)
            assert said.assessment.speech_rate == said["speech_rate"].level

    def test_suggest(self, random_judge):
        for said in random_judge.suggest(CLIPS, max_new_tokens=24):
            parsed = suggest.parse(said.text, strict=True)
            assert (parsed.areas, parsed.suggestions) == (said.areas, said.suggestions)

    def test_describe(self, random_judge):
        for said in random_judge.describe(CLIPS, max_new_tokens=24):
            assert describe.parse(said.description, strict=True).mos == round(said["mos"].value, 1)

    def test_detect(self, random_judge):
        for said in random_judge.detect(CLIPS):
            assert detect.parse(said.text, strict=True).is_fake == (said.label == "fake")

    @pytest.mark.parametrize("form", ["preference", "dimensions"])
    def test_compare(self, random_judge, form):
        said = random_judge.compare(*CLIPS, form=form, max_new_tokens=24)
        parsed = compare.parse(said.text, strict=True)
        assert parsed.preferred == said.better
        for name, verdict in parsed.verdicts.items():
            assert verdict == max(said.rubrics[name], key=said.rubrics[name].get)


class TestWriting:
    def test_is_the_same_each_time_and_in_a_batch(self, judge):
        alone = [judge.assess(clip, max_new_tokens=16).text for clip in CLIPS]
        assert [said.text for said in judge.assess(CLIPS, max_new_tokens=16)] == alone

    def test_bad_clip_keeps_its_error(self, judge, tmp_path):
        said = judge.suggest([CLIPS[0], tmp_path / "missing.wav"], max_new_tokens=4)
        assert said[0].suggestions
        assert "missing.wav" in said[1].error

    def test_single_bad_clip_raises(self, judge, tmp_path):
        with pytest.raises(AudioError, match=r"missing\.wav"):
            judge.describe(tmp_path / "missing.wav")

    def test_reference_and_listener_are_heard(self, judge):
        said = judge.assess(CLIPS[0], reference=CLIPS[1], listener="expert", max_new_tokens=4)
        assert said["mos"].value != judge.assess(CLIPS[0], max_new_tokens=4)["mos"].value

    def test_dimensions_that_are_scored(self, judge):
        assert list(judge.assess(CLIPS[0], max_new_tokens=4).scores) == list(SPEECHEVAL_RUBRICS)

    def test_head_is_tokenised_as_in_training(self, judge):
        head = "Overall quality: 2.4\n\n"
        ids = judge.reader.chat([text_messages(clip_state(tone(0.5)), "Why?")], [head])["input_ids"][0].tolist()
        *expected, _ = judge.processor.tokenizer(head + "T", add_special_tokens=False).input_ids
        assert ids[-len(expected) :] == expected


class TestDrafts:
    def test_words_of_the_judge_are_kept(self):
        written = explanation(SCORES, False).finish("I hear noise.")
        assert written.text.endswith("Loudness: 5.0\n\nI hear noise.")
        assert written.is_own

    @pytest.mark.parametrize("words", ["", "42.", "?!"])
    def test_without_words_the_decided_facts_speak(self, words):
        written = explanation(SCORES, False).finish(words)
        assert not written.is_own
        assert "poor" in written.text

    def test_summary_stands_in_its_tags(self):
        written = assessment(FACTS, False).finish("Hard to hear.")
        assert written.text.endswith("<answer>\nHard to hear.\n</answer>")
        assert assessment(FACTS, False).head.endswith("</think>\n\n<answer>\n")

    def test_tag_in_the_words_cannot_break_the_frame(self):
        assert not assessment(FACTS, False).finish("So <answer> it is.").is_own

    def test_suggestions_lose_their_bullets(self):
        written = suggestions(FACTS).finish("1. Speak slower.\n- Move closer.\nKey improvement areas: mood")
        assert suggest.parse(written.text, strict=True).suggestions == ("Speak slower.", "Move closer.")
        assert suggest.parse(written.text, strict=True).areas == ("speech rate", "distortion")

    def test_description_ends_in_the_decided_score(self):
        written = description(SCORES, False).finish("It hisses. I give it a MOS of 4.9.")
        assert written.text == "It hisses. Overall the MOS is 2.4."

    def test_sentence_against_a_decided_aspect_is_left_out(self):
        target = Comparison({"mos": "A", "noisiness": "A", "loudness": "tie"})
        draft = comparison(target, list(RUBRICS), "preference")
        words = "SpeechB beats SpeechA in noisiness. SpeechB is ahead of SpeechA in loudness. A hum is heard in B. [SpeechB]"
        assert draft.finish(words).words == f"{draft.head} A hum is heard in B."

    def test_comparison_needs_no_words(self):
        written = comparison(Comparison({"mos": "tie"}), ["noisiness"], "preference").finish("")
        assert written.is_own
        assert compare.parse(written.text, strict=True).preferred == "tie"

    def test_summary_of_dimensions(self):
        target = Comparison({"mos": "B", "distortion": "tie"})
        written = comparison(target, list(SPEECHEVAL_RUBRICS), "dimensions").finish("B is\nbetter.")
        assert compare.parse(written.text, strict=True).answer == "B is\nbetter."


class TestDraftsOfKnownFaults:
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_advice_against_another_fault_gives_way(self, language):
        tables = get_language(language).distortion_advice
        written = suggestions(LOSSY, language, knows_faults=True).finish(tables["background noise"][0])
        assert not written.is_own
        assert suggest.parse(written.text, strict=True, language=language).suggestions[0] in tables["drop / missing"]

    def test_advice_that_names_another_fault_gives_way(self):
        assert not suggestions(LOSSY, knows_faults=True).finish("Use a codec with a flat response.").is_own

    def test_advice_against_the_fault_is_kept(self):
        words = "Record the missing parts again.\nBreathe first."
        written = suggestions(LOSSY, knows_faults=True).finish(words)
        assert (written.words, written.is_own) == (words, True)

    def test_fault_that_is_not_spoken_of_is_added(self):
        written = suggestions(LOSSY, knows_faults=True).finish("Breathe first.")
        own, added = suggest.parse(written.text, strict=True).suggestions
        assert (own, written.is_own) == ("Breathe first.", False)
        assert added in get_language("en").distortion_advice["drop / missing"]

    def test_advice_for_another_dimension_gives_way(self):
        assert not suggestions(LOSSY, knows_faults=True).finish("Articulate the consonants more clearly.").is_own

    def test_general_advice_against_distortion_is_for_an_unknown_one(self):
        words = "Use a codec with a higher bit rate."
        unknown = Assessment({"mos": 2.0, "distortion": 1.5})
        assert suggestions(unknown, knows_faults=True).finish(words).is_own
        assert not suggestions(LOSSY, knows_faults=True).finish(words).is_own

    def test_nothing_to_improve_is_said_of_a_clean_clip_only(self):
        words = get_language("en").texts["no_advice"][0]
        assert suggestions(CLEAN, knows_faults=True).finish(words).is_own
        assert not suggestions(LOSSY, knows_faults=True).finish(words).is_own

    @pytest.mark.parametrize(
        "words", ["There is some clipping.", "The voice sounds harsh.", "I hear noise and echo, and clicks."]
    )
    def test_reason_of_another_fault_is_left_out(self, words):
        draft = explanation(SCORES, False, faults=[])
        assert draft.finish(f"The speech is noisy. {words}").words == "The speech is noisy."
        assert explanation(SCORES, False).finish(words).words == words

    def test_reason_of_a_fault_that_is_not_decided_about_is_kept(self):
        assert explanation(SCORES, False, faults=[]).finish("I hear an echo.").is_own

    def test_reason_of_a_heard_fault_is_kept(self):
        words = "I hear faint clipping. The voice sounds harsh."
        written = explanation(SCORES, False, faults=[Cause("clipping")]).finish(words)
        assert (written.words, written.is_own) == (words, True)

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("kind", FAULT_QUESTIONS)
    def test_heard_fault_without_a_reason_is_added_before_the_verdict(self, kind, language):
        said = explanation(SCORES, False, language, faults=[]).spare
        written = explanation(SCORES, False, language, faults=[Cause(kind)]).finish(said)
        assert explain.parse(written.text, strict=True, language=language).kinds == {kind}
        assert sentences(written.words)[-1] == sentences(said)[-1]
        assert not written.is_own

    def test_sentence_about_a_score_is_put_right(self):
        written = explanation(SCORES, False, faults=[]).finish("The speech is clean. I like it.")
        assert (written.words, written.is_own) == ("The speech is noisy. I like it.", False)

    def test_nothing_is_said_twice(self):
        words = "The speech is noisy. The strong. Noise disturbs the voice. The strong."
        assert explanation(SCORES, False, faults=[]).finish(words).words == "The speech is noisy. The strong."

    def test_scores_are_put_right_of_any_judge(self):
        assert explanation(SCORES, False).finish("The speech is clean.").words == "The speech is noisy."

    def test_words_about_a_part_fit_its_scores_and_the_verdict_the_whole(self):
        part = {"mos": 1.2, "noisiness": 4.5, "coloration": 3.0, "discontinuity": 4.0, "loudness": 5.0}
        words = "The speech is clean. So the quality as a whole is poor."
        written = explanation(SCORES, False, part=part).finish(words)
        assert (written.words, written.is_own) == (words, True)
        assert written.text.startswith("Overall quality: 2.4\nNoisiness: 1.8\n")

    def test_denial_of_a_heard_fault_gives_way(self):
        words = "There is no clipping. The speech is noisy."
        written = explanation(SCORES, False, faults=[Cause("clipping")]).finish(words)
        assert written.words.startswith("The speech is noisy. ")
        assert explain.named_causes(written.words) == ("clipping",)

    def test_verdict_is_the_decided_one(self):
        written = explanation(SCORES, False, faults=[]).finish("It is noisy. So the quality as a whole is good.")
        assert (written.words, written.is_own) == ("It is noisy. So the quality as a whole is poor.", False)

    @pytest.mark.parametrize("words", ["", "There is some clipping."])
    def test_if_no_reason_can_stay_the_decided_facts_speak(self, words):
        written = explanation(SCORES, False, faults=[Cause("noise")]).finish(words)
        assert written.words == explanation(SCORES, False, faults=[Cause("noise")]).spare
        assert explain.named_causes(written.words) == ("noise",)

    @pytest.mark.parametrize("kind", get_language("en").distortion_advice)
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_spare_words_stand_as_they_are(self, kind, language):
        found = Assessment({"mos": 1.0, "distortion": 1.0}, "slow", (Distortion(kind),))
        written = suggestions(found, language, knows_faults=True).finish("")
        assert written.words == "\n".join(suggest.suggest_for(found, language=language).suggestions)

    def test_of_unknown_faults_all_words_are_kept(self):
        assert suggestions(LOSSY).finish("Articulate the consonants more clearly.").is_own

    @pytest.mark.parametrize(
        "words", ["I hear jitter.", "I hear drop / missing from 0.1 to 1.0 s.", "One can hear timbre & quality."]
    )
    def test_sentence_about_another_distortion_is_left_out(self, words):
        true = "I hear drop / missing from 0.5 to 1.0 s."
        written = assessment(LOSSY, False, faults=[Cause("packet_loss")]).finish(f"It is bad. {words} {true}")
        assert (written.words, written.is_own) == (f"It is bad. {true}", True)
        assert words in assessment(LOSSY, False).finish(words).words

    def test_distortions_stand_before_the_words(self):
        assert "(drop / missing 0.5-1.0 s)\n" in assessment(LOSSY, False).head


class TestFaults:
    @pytest.fixture
    def taught(self, folder):
        model, processor = make_judge(folder, span_size=16)
        processor.trained_faults = True
        return AudioJudge(model, processor)

    def test_every_answer_parses(self, taught):
        for said in taught.assess(CLIPS, max_new_tokens=16):
            assert assess.parse(said.text, strict=True) == said.assessment
            assert said.assessment.distortions == distortions_by_cause(said.faults)
        for said in taught.explain(CLIPS, max_new_tokens=16):
            assert explain.parse(said.text, strict=True).kinds == {fault.kind for fault in said.faults}
        for said in taught.suggest(CLIPS, max_new_tokens=16):
            assert suggest.parse(said.text, strict=True).suggestions == said.suggestions

    def test_are_those_that_decide_finds(self, taught):
        answers = taught.decide(CLIPS[0], all_questions(with_spans=True))
        found = {cause.kind: cause for cause in taught.assess(CLIPS[0], max_new_tokens=2).faults}
        assert found.keys() == {kind for kind in FAULT_QUESTIONS if answers[kind]["noul"] >= 0.5}
        for kind, cause in found.items():
            assert cause.parameters["probability"] == pytest.approx(answers[kind]["noul"], abs=1e-5)

    def test_of_a_long_clip_are_those_of_its_worst_window(self, taught):
        long = (np.concatenate([tone(7, 300), tone(6, 1200)]), 48_000)
        (said,) = taught.explain([long], max_new_tokens=2)
        worst = min(said.timeline, key=lambda window: window.scores["mos"])
        start, end = (round(48_000 * time) for time in (worst.start, worst.end))
        alone = taught.decide((long[0][start:end], 48_000), all_questions(with_spans=False))
        likely = {kind: alone[kind]["noul"] for kind in FAULT_QUESTIONS}
        assert len(said.timeline) > 1
        assert {fault.kind for fault in said.faults} == {kind for kind, share in likely.items() if share >= 0.5}
        for fault in said.faults:
            assert fault.parameters["probability"] == pytest.approx(likely[fault.kind], abs=1e-4)

    def test_do_not_change_the_scores(self, taught, folder):
        plain = AudioJudge(taught.model, make_judge(folder)[1])
        one, other = (j.assess(CLIPS[0], max_new_tokens=2) for j in (taught, plain))
        assert one["mos"].value == pytest.approx(other["mos"].value, abs=1e-5)
        assert (one.faults is None, other.faults is None) == (False, True)

    def test_of_an_untrained_judge_are_not_asked(self, judge):
        said = judge.suggest(CLIPS[0], max_new_tokens=2)
        assert said.faults is None
        assert "faults" not in said.to_dict()

    def test_are_decided_beside_printed_numbers(self, taught):
        taught.processor.answer_form = "decimal"
        assert taught.assess(CLIPS[0], max_new_tokens=2).faults is not None

    def test_stand_in_the_row(self, taught):
        said = taught.assess(CLIPS[0], max_new_tokens=2)
        assert [fault["kind"] for fault in said.to_dict()["faults"]] == [cause.kind for cause in said.faults]


class TestShippedJudge:
    @pytest.fixture(scope="class")
    def advised(self):
        names = ("noisy", "clipped", "lossy", "quiet", "clean_anna")
        clips = [EXAMPLES / f"{name}.ogg" for name in names]
        return dict(zip(names, AudioJudge.from_pretrained(device="cpu").suggest(clips), strict=True))

    def test_different_faults_get_different_advice(self, advised):
        assert len({said.suggestions for said in advised.values()}) == len(advised)

    @pytest.mark.parametrize(
        ("name", "kind"), [("noisy", "background noise"), ("lossy", "drop / missing"), ("quiet", "level")]
    )
    def test_advice_is_against_the_fault(self, advised, name, kind):
        assert kind in {one for line in advised[name].suggestions for one in addressed_types(line)}

    def test_faults_are_heard(self, advised):
        found = {name: [cause.kind for cause in said.faults] for name, said in advised.items()}
        assert (found["noisy"][0], found["lossy"][0], found["quiet"]) == ("noise", "packet_loss", ["level"])
        assert "clipping" in found["clipped"]
        assert not found["clean_anna"]


class TestTrimmed:
    @pytest.mark.parametrize(
        ("text", "is_one_line", "is_cut", "expected"),
        [
            ("Fine. Good", True, False, "Fine. Good"),
            ("Fine. Goo", True, True, "Fine."),
            ("It is 3.2 or so. It", True, True, "It is 3.2 or so."),
            ("all in one go wi", True, True, "all in one go."),  # nothing is whole: closed after the last whole word
            ("好。坏", True, True, "好。"),
            ("Fine\nBad", True, True, "Fine"),  # the line break came before the limit
            ("\n\nFine.\nBad.", False, False, "Fine.\nBad."),
            ("Fine.</answer> more", False, True, "Fine."),
            ("a\x0bb\u2028c \ufffd d\x85", True, False, "a b c d"),
            ("", True, True, ""),
        ],
    )
    def test_cases(self, text, is_one_line, is_cut, expected):
        assert trimmed(text, is_one_line=is_one_line, is_cut=is_cut) == expected


class TestAsListener:
    @pytest.mark.parametrize(
        ("words", "view"),
        [
            ("hearing-impaired listener", "as a hearing-impaired listener"),
            ("an opera singer", "as an opera singer"),
            ("by the standard of our lab", "by the standard of our lab"),
        ],
    )
    def test_words_become_a_view(self, words, view):
        assert as_listener(words).views[0] == view


class TestDetect:
    def test_probability_is_that_of_the_question(self, judge):
        answer = judge.decide(CLIPS[0], {"fake": detect.question()})["fake"]["noul"]
        assert judge.detect(CLIPS[0]).real == pytest.approx(1 - answer, abs=1e-5)

    def test_long_clip_has_a_timeline(self, judge):
        said = judge.detect((np.concatenate([tone(10, 300), tone(5, 3000)]), 48_000))
        assert said.seconds == pytest.approx(15)
        parts = [window.scores["real"] for window in said.timeline]
        assert said.real == pytest.approx(np.average(parts, weights=[10, 5]), abs=1e-6)

    def test_bad_clip_in_a_list(self, judge, tmp_path):
        said = judge.detect([tmp_path / "missing.wav", CLIPS[0]])
        assert said[0].label is None
        assert "missing.wav" in said[0].error
        assert said[1].label in ("real", "fake")
