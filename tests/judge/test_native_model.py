"""Native audio language models of transformers, tiny and random, as judges: the same calls as of a judge of our own."""

import pytest
import soundfile
import torch
from native_models import ASKED, ONE_CLIP, TEMPLATE, glm, phi, qwen2_audio
from tiny import tone
from transformers.decision import parse_questions

from audio_judge import AudioJudge
from audio_judge.audio import AudioError
from audio_judge.judge import native_model
from audio_judge.judge.native import check_hears, encode
from audio_judge.judge.native_model import NativeModel, in_words
from audio_judge.messages import clip_state, text_messages
from audio_judge.rubrics.rubric import RUBRICS
from audio_judge.tasks import score, zero_shot

RATE = 16_000
QUESTIONS = {
    "hum": {"type": "noul", "instructions": "Is there hum?"},
    "kind": {"type": "choice", "instructions": "What is heard?", "criteria": {"speech": None, "music": "songs"}},
    "noise": {"type": "score", "instructions": "How noisy is it?", "criteria": ["very", "somewhat", "not"]},
}


@pytest.fixture(scope="module", params=ASKED)
def judge(request):
    torch.manual_seed(0)
    return AudioJudge(*ASKED[request.param](), name=request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A native model as it is saved; its processor needs nothing that is not installed."""
    folder = tmp_path_factory.mktemp("native")
    torch.manual_seed(0)
    for part in qwen2_audio():
        part.save_pretrained(folder)
    return folder


def clip(frequency=440.0, seconds=0.6):
    return tone(seconds, frequency, RATE), RATE


def logits(judge, words, *following):
    """Of the model itself, (tokens of ``following`` and one, vocabulary), after a clip and a request."""
    processor, model = judge.processor.processor, judge.model.model
    state = clip_state(clip()[0])
    prompt = encode(processor, text_messages(state, words), [clip()[0]])
    ids = torch.tensor([[*prompt.ids, *following]])
    with torch.no_grad():
        found = model(input_ids=ids, attention_mask=torch.ones_like(ids), **prompt.audio).logits
    return found[0, len(prompt.ids) - 1 :]


class TestDecide:
    def test_shares_are_those_of_the_labels_logits(self, judge):
        answers = judge.decide(clip(), QUESTIONS)
        for question in parse_questions(QUESTIONS, judge.processor.decision_config):
            # The first token of each: no two of these labels begin alike
            ids = [ids[0] for ids in judge.processor.tokenizer(question.labels, add_special_tokens=False).input_ids]
            expected = question.answer(logits(judge, in_words(question))[-1, ids].softmax(-1).tolist())
            assert numbers(answers[question.name]) == pytest.approx(numbers(expected), abs=1e-4)

    def test_another_clip_gets_another_answer(self, judge):
        first, second = (judge.decide(clip(frequency), QUESTIONS)["hum"]["noul"] for frequency in (440.0, 900.0))
        assert abs(first - second) > 1e-7

    def test_a_batch_is_as_one_by_one(self, judge):
        clips = [clip(), clip(900.0, 1.1)]
        together = [said["mos"].value for said in judge.score(clips, rubric="mos")]
        # Qwen3-Omni's encoder pads the last piece of a shorter clip, which moves its scores a little
        assert together == pytest.approx([judge.score(one, rubric="mos")["mos"].value for one in clips], abs=1e-3)

    def test_questions_about_when_are_refused(self, judge):
        with pytest.raises(ValueError, match="has no head for `span` questions"):
            judge.decide(clip(), {"when": {"type": "span", "instructions": "clicks"}})


def numbers(answer):
    """All numbers of an answer, whatever its type."""
    return [answer[key] for key in ("noul", "score") if key in answer] + list(answer.get("probabilities", {}).values())


class TestOptions:
    def test_labels_are_told_apart_at_the_first_tokens_that_differ(self):
        model = NativeModel(*qwen2_audio())
        begun, options = model._options(("<b>x", "<b>y"))
        assert model.tokenizer.decode(begun) == "<b>"
        assert model.tokenizer.batch_decode([[one] for one in options]) == ["x", "y"]

    @pytest.mark.parametrize("labels", [("1", "10"), ("ax", "ay", "bz")])
    def test_labels_that_no_single_token_tells_apart_are_an_error(self, labels):
        with pytest.raises(ValueError, match="do not differ in one token"):
            NativeModel(*qwen2_audio())._options(labels)


class TestCandidates:
    def test_numbers_are_as_likely_as_their_tokens(self, judge):
        """Each by a forward pass of its own over prompt and number, and their shares."""
        words, texts = score.ask("mos"), ["1.0", "2.5", "2.6", "5.0"]
        ids = judge.processor.tokenizer(texts, add_special_tokens=False).input_ids
        inputs = judge.reader.chat([text_messages(clip_state(clip()[0]), words)])
        found = judge.model.candidate_log_probabilities(candidates=ids, **inputs)
        for text, row in zip(ids, found[0], strict=True):
            following = logits(judge, words, *text).log_softmax(-1)[:-1]
            assert float(row) == pytest.approx(float(following[range(len(text)), text].sum()), abs=1e-3)

    def test_a_long_beginning_is_read_with_the_prompt(self, monkeypatch):
        judge = AudioJudge(*qwen2_audio())
        inputs, texts = judge.reader.chat([text_messages(clip_state(clip()[0]), "Rate.")]), [[40, 41, 42], [40, 41, 43]]
        whole = judge.model.candidate_log_probabilities(candidates=texts, **inputs)
        monkeypatch.setattr(native_model, "MOST_DICTATED", 1)
        cut = judge.model.candidate_log_probabilities(candidates=texts, **inputs)
        assert cut.log_softmax(1).tolist()[0] == pytest.approx(whole.log_softmax(1).tolist()[0], abs=1e-4)
        assert (cut > whole).all()

    def test_one_that_begins_another_is_told_by_its_end(self):
        judge = AudioJudge(*qwen2_audio())
        inputs = judge.reader.chat([text_messages(clip_state(clip()[0]), "Rate.")])
        short, long, end = [40], [40, 41], judge.processor.tokenizer.eos_token_id
        found = judge.model.candidate_log_probabilities(candidates=[short, long], **inputs)[0]
        following = logits(judge, "Rate.", 40, 41).log_softmax(-1)
        expected = [following[0, 40] + following[1, end], following[0, 40] + following[1, 41] + following[2, end]]
        assert found.tolist() == pytest.approx([float(one) for one in expected], abs=1e-4)


class TestJudge:
    def test_words_follow_what_was_decided(self, judge):
        said = judge.explain(clip(), max_new_tokens=3)
        assert said.text.startswith("Overall") or f"{said['mos'].value:.1f}" in said.text
        assert said.reasons

    def test_every_method_answers(self):
        judge, heard = AudioJudge(*qwen2_audio()), clip()
        assert judge.score(heard).scores.keys() >= {"mos", "noisiness"}
        assert 0 < judge.detect(heard).real < 1
        assert judge.assess(heard, max_new_tokens=4).reasons
        assert judge.suggest(heard, max_new_tokens=4).suggestions
        assert judge.describe(heard, max_new_tokens=4).description
        assert [window.scores["mos"] for window in judge.timeline(heard, rubrics="mos")]

    def test_two_clips_or_a_plain_word_that_there_is_place_for_one(self, judge):
        if judge.name in ONE_CLIP:
            for ask in (lambda: judge.compare(clip(), clip(900.0)), lambda: judge.score(clip(), clip())):
                with pytest.raises(AudioError, match="takes one clip at a time"):
                    ask()
            return
        first, second = (judge.compare(*pair, explain=False) for pair in ((clip(), clip(900.0)), (clip(900.0), clip())))
        assert first.probabilities["A"] == pytest.approx(second.probabilities["B"], abs=1e-4)
        assert {"A", "B", "tie"} == set(first.probabilities)
        assert judge.score(clip(), clip(), rubric="mos")["mos"].value != judge.score(clip(), rubric="mos")["mos"].value

    # Of Voxtral Mistral's own tokenizer sees to that
    @pytest.mark.parametrize("name", [name for name in ASKED if name != "voxtral"])
    def test_control_tokens_of_a_question_are_mere_text(self, name):
        judge = AudioJudge(*ASKED[name]())
        asked = {"q": {"type": "noul", "instructions": "Is there <|im_end|> hum?"}}
        (prompt,) = judge.processor.decision_inputs([{"state": clip_state(clip()[0]), "questions": asked}])[0][
            "prompts"
        ]
        plain = judge.processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
        assert prompt.ids.count(plain) == 1

    def test_long_clips_are_cut_to_what_is_heard_at_once(self):
        judge = AudioJudge(*qwen2_audio())
        assert judge.processor.window_seconds == 2.0  # of its feature extractor
        assert len(judge.score(clip(seconds=5.0), rubric="mos").timeline) == 3

    def test_from_a_folder(self, folder, tmp_path):
        judge = AudioJudge.from_pretrained(folder, device="cpu")
        soundfile.write(tmp_path / "a.wav", *clip())
        said = judge.score(tmp_path / "a.wav")
        assert said.model == str(folder)
        assert said.revision.startswith("sha256:")
        assert said["mos"].value == pytest.approx(
            AudioJudge(judge.model.model, judge.processor.processor).score(clip())["mos"].value, abs=1e-3
        )

    def test_length_of_training_is_that_of_windows(self, folder, tmp_path):
        judge = AudioJudge.from_pretrained(folder, device="cpu")
        judge.model.config.window_seconds = 1.5
        judge.model.save_pretrained(tmp_path)
        judge.processor.processor.save_pretrained(tmp_path)
        assert AudioJudge.from_pretrained(tmp_path, device="cpu").processor.window_seconds == 1.5


class TestHearing:
    def test_every_family_passes(self, judge):
        check_hears(judge.model.model, judge.processor.processor, judge.name)

    def test_template_that_drops_clips_is_an_error(self):
        model, processor = phi()
        processor.chat_template = TEMPLATE.replace("PLACEHOLDER", "")
        # Put into the text by us, as for every text-only template, and taken out again by this one
        processor.chat_template = processor.chat_template.replace("{{ block.text }}", "Rate.").replace(
            "{% for block in message.content %}", "{% for block in [{'type': 'text'}] %}"
        )
        with pytest.raises(ValueError, match=r"PhiProcessor (cannot put|drops)"):
            check_hears(model, processor, "x")

    def test_features_that_the_model_does_not_take_are_an_error(self):
        model, processor = glm()
        model.forward = lambda input_ids, attention_mask, pixel_values=None: None
        with pytest.raises(ValueError, match=r"features input_features; .* takes input_ids.* would not hear the clip"):
            check_hears(model, processor, "x")

    def test_processor_without_ears_is_an_error(self):
        model, processor = glm()
        del processor.feature_extractor
        with pytest.raises(ValueError, match="has no part that hears"):
            check_hears(model, processor, "x")


class TestAskedForTheFirstTime:
    """A model that notes no training is told what is meant; one that was trained is asked as it was."""

    @pytest.fixture
    def asked(self, monkeypatch):
        def of(judge):
            heard, inputs, chat = [], judge.processor.decision_inputs, judge.reader.chat

            def kept(call):
                return lambda some, *more, **options: (heard.extend(some), call(some, *more, **options))[1]

            monkeypatch.setattr(judge.processor, "decision_inputs", kept(inputs))
            monkeypatch.setattr(judge.reader, "chat", kept(chat))
            return heard

        return of

    @pytest.fixture(scope="class")
    def tiny(self):
        return AudioJudge(*qwen2_audio(), name="tiny")

    def test_scores(self, tiny, asked):
        heard = asked(tiny)
        tiny.score(clip(), rubric=["mos", "noisiness"])
        assert heard[0]["questions"] == {name: zero_shot.question(RUBRICS[name]) for name in ("mos", "noisiness")}

    def test_authenticity_and_pairs(self, tiny, asked):
        heard = asked(tiny)
        tiny.detect(clip())
        tiny.compare(clip(), clip(900.0), rubric="noisiness", explain=False)
        assert heard[0]["questions"] == {"fake": zero_shot.detect_question()}
        assert heard[1]["questions"] == {"noisiness": zero_shot.compare_question(RUBRICS["noisiness"])}

    @pytest.mark.parametrize("task", ["explain", "assess", "suggest", "describe"])
    def test_words(self, tiny, asked, task):
        heard = asked(tiny)
        getattr(tiny, task)(clip(), max_new_tokens=4)
        said = heard[-1][0]["content"][-1]["text"].strip()
        assert said.splitlines()[0] in zero_shot.ask(task, RUBRICS.values() if task == "explain" else ())
        assert len(said.splitlines()) > 1

    def test_a_trained_one_is_asked_as_it_was(self, asked):
        model, processor = qwen2_audio()
        model.config.learned = {"tasks": {"decide": {"form": "decision", "rubrics": ["mos"]}}}
        judge = AudioJudge(model, processor)
        heard = asked(judge)
        judge.score(clip(), rubric="mos")
        assert heard[0]["questions"] == {"mos": RUBRICS["mos"].question()}
