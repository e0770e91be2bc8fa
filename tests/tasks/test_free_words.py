"""Answers as language models give them that never learned our forms: read for certain, or refused, never read wrongly."""

import pytest

from audio_judge.rubrics.rubric import HUNDRED, TEN, Rubric, get_rubric
from audio_judge.tasks import ParseError, read_facts
from audio_judge.tasks.free_words import preferred, read_free

MOS = get_rubric("mos")

SCORES = {
    "4": 4.0,
    "4.": 4.0,
    "3,5": 3.5,
    "**Score:** 4": 4.0,
    "Score: 4 (good)": 4.0,
    "Rating: **4**/5": 4.0,
    "4/5 stars": 4.0,
    "4 points out of 5 points": 4.0,
    "\\boxed{4}": 4.0,
    "The overall quality is good (4/5)": 4.0,
    "I'd rate it 3.5 out of 5.": 3.5,
    "3.5 (on a scale from 1 to 5)": 3.5,
    "I give it a 4 on a 5-point scale.": 4.0,
    "I rate it a 4, on a scale where 1 is bad and 5 is excellent.": 4.0,
    "The clip lasts 10 seconds at 16 kHz. Score: 3": 3.0,  # seconds and hertz are no scores
    "Score: 3/5, with background noise at about 20 dB SNR.": 3.0,
    '{"score": 4}': 4.0,
    "<think>Is it 3 or 4?</think>4": 4.0,
    "Four out of five.": 4.0,
    "Five": 5.0,
    "3.4. Yes, 3.4/5.": 3.4,
    "It would be rated 4 by most listeners.": 4.0,
    "There is no noise, so 5.": 5.0,
    "If I had to give a number, I would say 4.": 4.0,
    "The speech is not perfect, but clear: 4": 4.0,
    "The overall quality is good.": 4.0,  # a level of the question stands for its number
    "Poor.": 2.0,
    "This is speech of good quality, with a little hiss.": 4.0,
    "The overall score is 4.": 4.0,
    "The quality of the recording is about 3.5.": 3.5,
}
UNREADABLE_SCORES = [
    "between 3 and 4",
    "3-4",
    "3 or 4",
    "3.5 ± 0.5",
    "Noise: 2, timbre: 4",
    "7/10",  # of another scale: refused, never converted, as nobody knows that both were meant to be linear
    "8 out of 10",
    "4 out of ten",
    "4 on a ten-point scale",
    "80%",
    "3 percent",
    "not a 4",
    "I would not give it a 4.",
    "It isn't a 5.",
    "less than 4",
    "at least 3",
    "No more than 3",
    "above 3",
    "4+",
    "3 or higher",
    "3 at best",
    "It would be a 5 without the noise.",
    "If there were no echo, 5.",
    "Is it a 4?",
    "6",
    "0",
    "The loudness is 4.",  # another rubric
    "Loudness: 4",
    "I rate noisiness 4.",
    "In short, loudness: 4",
    "The clarity is 4/5.",
    "I hear a fair amount of noise.",
    "It must have been a poor microphone.",
    "<think>A 4, I guess",
    "I can't listen to audio, but 3 would be typical.",
    "I'm sorry, I am unable to rate this recording. 1",
    "The speech is clear.",
    "not good",
    "good or fair",
    "",
]
PAIRS = {
    "Clip A is better because it has less noise.": "A",
    "Clip B is better because A does not sound clear.": "B",
    "[SpeechB]": "B",
    "[[A]]": "A",
    "**B**": "B",
    "Sample 1": "A",
    "Answer: B": "B",
    "Winner: **Clip B**": "B",
    "Better clip: B (less distortion)": "B",
    "Preference: tie": "tie",
    "The better clip is B.": "B",
    "The second recording sounds much better.": "B",
    "The first one is preferred over the second.": "A",
    "I prefer B.": "B",
    "I would choose clip A.": "A",
    "B, because it is cleaner.": "B",
    "B is worse than A.": "A",
    "Clip B has lower quality.": "A",
    "Clip A has the higher overall quality.": "A",
    "Compared with clip A, clip B is better.": "B",
    "Clip A has less noise, while clip B is muffled. Overall, clip A is better.": "A",
    "A is better in noise but B is better overall.": "B",
    "<think>A is cleaner.</think>Clip B is better.": "B",
    "Both are about equal": "tie",
    "They sound the same.": "tie",
    "Clip A and clip B are of similar quality.": "tie",
    "A and B are equally good.": "tie",
    "There is no noticeable difference.": "tie",
    "Neither clip is better.": "tie",
    "It's a tie.": "tie",
}
UNREADABLE_PAIRS = [
    "Clip A is not better",
    "Clip A isn't better than clip B.",
    "Clip A is no better than clip B.",
    "[SpeechA] is not better.",
    "I don't think A is better.",
    "Clip A could be better.",
    "Is clip A better?",
    "If the noise is ignored, clip A is better.",
    "Clip A is better if one ignores the noise.",
    "Clip A is better. Clip B is better.",
    "Both clips are similar, but B is slightly better.",
    "Both clips are good.",
    "Both A and B are better than average.",
    "Clip A and clip B are not the same.",
    "Clip A is better in noisiness.",  # asked for the whole
    "A better recording would be welcome.",
    "It is hard to say which one is better.",
    "[SpeechA] or [SpeechB]",
    "I cannot compare the clips: I have no audio.",
    "<think>A is better.",
]
LABELS = {
    "real": "real",
    "real human speech": "real",
    "It is a genuine recording of a human.": "real",
    "Bona fide.": "real",
    "synthetic": "fake",
    "This is AI-generated speech.": "fake",
    "The audio is a deepfake.": "fake",
    "**Fake**": "fake",
    "Text-to-speech.": "fake",
}
UNREADABLE_LABELS = [
    "This is not real.",
    "It isn't fake.",
    "real or fake",
    "It sounds real, but it may be synthetic.",
    "It might be fake.",
    "30% likely to be fake",
    "I can't tell if it is real.",
    "unreal",
    "It sounds human-like.",
]
LEVELS = {
    "good": "good",
    "**Good**": "good",
    "The quality of this clip is fair.": "fair",
    "I would call it excellent, without any noise.": "excellent",
    "<think>good or fair?</think>fair": "fair",
}
UNREADABLE_LEVELS = [
    "not good",
    "far from good",
    "less than good",
    "better than poor",
    "very good",
    "almost excellent",
    "good or fair",
    "neither good nor bad",
    "It would be good if the noise were gone.",
    "great",
    "There is a fair amount of noise.",
]
READ = [
    *(("score", text, value) for text, value in SCORES.items()),
    *(("compare", text, verdict) for text, verdict in PAIRS.items()),
    *(("detect", text, label) for text, label in LABELS.items()),
    *(("categorize", text, level) for text, level in LEVELS.items()),
]
UNREADABLE = {
    "score": UNREADABLE_SCORES,
    "compare": UNREADABLE_PAIRS,
    "detect": UNREADABLE_LABELS,
    "categorize": UNREADABLE_LEVELS,
}


@pytest.mark.parametrize(("task", "text", "meant"), READ)
def test_read(task, text, meant):
    facts = read_free(task, text, [MOS])
    assert meant in (*facts.scores.values(), *facts.verdicts.values(), *facts.levels.values(), facts.label)


@pytest.mark.parametrize(("task", "text"), [(task, text) for task, texts in UNREADABLE.items() for text in texts])
def test_refused(task, text):
    with pytest.raises(ParseError):
        read_free(task, text, [MOS])


@pytest.mark.parametrize(("text", "rubric", "value"), [
    ("70 out of 100", MOS.on(HUNDRED), 70.0),
    ("80%", MOS.on(HUNDRED), 80.0),
    ("7 on a ten-point scale", MOS.on(TEN), 7.0),
    ("very noisy", get_rubric("noisiness"), 1.0),
    ("It is quite cold.", Rubric("warmth", "How warm it is: the highest score is warm.", levels=("cold", "warm")), 1.0),
])  # fmt: skip
def test_other_scales_and_rubrics(text, rubric, value):
    assert read_free("rate", text, [rubric]).scores == {rubric.name: value}


def test_lines_are_read_by_their_task():
    assert read_free("profile", "Noisiness: 2\nMOS: 3", [MOS]) == read_facts("profile", "Noisiness: 2\nMOS: 3", [MOS])


class TestPreferred:
    def test_an_aspect_counts_where_it_was_asked_for(self):
        text = "Clip A is better in terms of noisiness."
        assert preferred(text, get_rubric("noisiness")) == "A"
        with pytest.raises(ParseError, match="0 preferences"):
            preferred(text, get_rubric("loudness"))

    def test_the_whole_counts_before_its_parts(self):
        assert preferred("Clip A is better. Clip B is worse. Overall, both are about the same.") == "tie"

    def test_lines_of_dimensions_keep_all_verdicts(self):
        text = "Overall Quality: A is better than B\nDistortion: B is better than A"
        assert read_free("compare", text).verdicts == {"mos": "A", "distortion": "B"}
