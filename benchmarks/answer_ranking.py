"""How metrics of words rank a true answer, that of another clip, one with every polarity flipped, and gibberish.

    python benchmarks/answer_ranking.py CORPUS --rows 20 --encoder sentence-transformers/all-MiniLM-L6-v2
    python benchmarks/answer_ranking.py CORPUS --rows 20 --encoder FOLDER --evaluator http://localhost:8000/v1 --cache replies

The clips of a corpus are answered for by the task itself: truly in two wordings, of which one is the reference that SBERT
compares with and the evaluator is told beside the truth in words; as another clip would be; and as a clip would be that is
rated the other way round and has the faults of another one. Clips in the middle of the scale have no other way round, and
are left out. `right` is the share of clips whose true answer stands above the other one; `tie` is no `right`.
"""

import argparse
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from audio_judge.clips import RatedClip
from audio_judge.corpora.corpus import Corpus
from audio_judge.data.examples import written
from audio_judge.data.targets import target_of
from audio_judge.eval.metrics import load_encoder, sentence_similarity
from audio_judge.rubrics.rubric import RUBRICS, get_rubric
from audio_judge.tasks import TASKS, Facts
from audio_judge.tasks.wording import in_words
from audio_judge.text_models.criteria import ASKING, CRITERIA, weighted
from audio_judge.text_models.evaluator import Case, make_evaluator
from audio_judge.training.trial import gibberish, rank

# Of an overall rating, as a share of the scale, from its middle
LEAST_POLARITY = 0.2


@dataclass(frozen=True)
class Answers:
    """What is said of one clip, and what is true of it.

    Args:
        candidates: Kind of answer to its text, ``true`` first.
    """

    request: str
    truth: str
    reference: str
    candidates: dict[str, str]


def make_answers(clips: Sequence[RatedClip], task: str, count: int, seed: int = 0) -> list[Answers]:
    """Answer for clips in every kind.

    Raises:
        ValueError: If too few of the clips have a polarity.
    """
    rng = random.Random(seed)
    polar = [clip for clip in clips if abs(_goodness(clip) - 0.5) >= LEAST_POLARITY]
    if len(polar) < max(count, 2):
        raise ValueError(f"{len(polar)} of {len(clips)} clips are rated off the middle; {max(count, 2)} are needed")
    found = []
    for clip in rng.sample(polar, count):
        other = rng.choice([one for one in polar if one is not clip])
        reference, true = (answer(clip, task, rng) for _ in range(2))
        candidates = {"true": true, "another clip's": answer(other, task, rng)}
        candidates |= {"flipped": answer(flipped(clip, polar, rng), task, rng), "gibberish": gibberish(true, rng)}
        found.append(
            Answers(TASKS[task].ask(), f"{_truth(clip, task)}\nreference answer: {reference}", reference, candidates)
        )
    return found


def answer(clip: RatedClip, task: str, rng: random.Random) -> str:
    """Write the answer of a task about a clip."""
    rubrics = _rubrics(clip)
    return written(task, target_of(task, clip, rubrics, rng), rubrics, rng, "en")[0]


def flipped(clip: RatedClip, clips: Sequence[RatedClip], rng: random.Random) -> RatedClip:
    """The clip rated the other way round: one that becomes bad gets the causes of a bad one, kinds of its own left out."""
    ratings = {
        name: replace(one, value=get_rubric(name).low + get_rubric(name).high - one.value, single=())
        for name, one in clip.ratings.items()
    }
    mine = {cause.kind for cause in clip.causes}
    bad = [one for one in clips if _goodness(one) < 0.5]
    causes = rng.choice(bad).causes if _goodness(clip) > 0.5 and bad else ()
    return replace(clip, ratings=ratings, causes=tuple(cause for cause in causes if cause.kind not in mine))


def _goodness(clip: RatedClip) -> float:
    return RUBRICS["mos"].goodness(clip.ratings["mos"].value) if "mos" in clip.ratings else 0.5


def _rubrics(clip: RatedClip) -> list[str]:
    return [name for name in RUBRICS if name in clip.ratings]


def _truth(clip: RatedClip, task: str) -> str:
    facts = TASKS[task].facts(target_of(task, clip, _rubrics(clip)))
    scores = {name: clip.ratings[name].value for name in _rubrics(clip)}
    return in_words(Facts(scores, causes=facts.causes, distortions=facts.distortions))


def table(metric: str, answers: Sequence[Answers], values: Callable[[str], Sequence[float | None]]) -> list[str]:
    """Write a line per kind of answer: mean, and how often the true answer is above it.

    Args:
        values: Gives the values of a kind of answer, one per clip; None for a failed one.
    """
    kinds = list(answers[0].candidates)
    found = {kind: values(kind) for kind in kinds}
    lines = [f"{metric:28}  mean   right  tie  wrong  failed"]
    for kind in kinds:
        given = [value for value in found[kind] if value is not None]
        mean = f"{sum(given) / len(given):.3f}" if given else "  –  "
        ranks = rank(found["true"], found[kind])
        counts = f"  {ranks.share:5.0%}  {ranks.tie:3}  {ranks.wrong:5}  {ranks.failed:6}" if kind != "true" else ""
        lines.append(f"{kind:28}  {mean}{counts}")
    return lines


def main() -> None:
    """Print a table per metric, and of LScore one per criterion, too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="folder or file of rated clips")
    parser.add_argument("--reader", default="simulated", help="one of `audio-judge ls corpora` (default: simulated)")
    parser.add_argument("--split", default="test", choices=("train", "validation", "test"))
    parser.add_argument("--task", default="describe", choices=("describe", "explain", "profile", "assess"))
    parser.add_argument("--rows", type=int, default=20, help="clips (default: 20)")
    parser.add_argument("--encoder", help="sentence encoder, folder or Hub id")
    parser.add_argument("--evaluator", help="address of a server, folder or Hub id of a language model")
    parser.add_argument("--form", default="auto", choices=ASKING, help="how it is asked")
    parser.add_argument("--cache", type=Path, help="folder of its replies")
    parser.add_argument("--concurrency", type=int, default=1, help="answers at a time")
    parser.add_argument("--timeout", type=float, default=120.0, help="longest wait for a reply, in seconds")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    clips = [one for one in Corpus(options.reader, options.corpus, options.split).read() if isinstance(one, RatedClip)]
    answers = make_answers(clips, options.task, options.rows, options.seed)
    if options.encoder:
        encoder = load_encoder(options.encoder)
        print("\n".join(table("SBERT", answers, lambda kind: similarities(answers, kind, encoder))))
    if options.evaluator:
        how = {"form": options.form, "cache": options.cache, "concurrency": options.concurrency}
        evaluator = make_evaluator(options.evaluator, timeout=options.timeout, **how)
        # Clip by clip, as a server's prompt cache holds what its answers share
        cases = [
            Case("assessment", one.request, text, one.truth) for one in answers for text in one.candidates.values()
        ]
        grades = evaluator.grade(cases)
        kinds = list(answers[0].candidates)
        for name in ("LScore", *CRITERIA):
            weights = {name: 1.0} if name in CRITERIA else None
            found = [None if one is None else weighted(one, weights) if weights else weighted(one) for one in grades]
            title = f"{name} ({evaluator.name}, {evaluator.asking})"
            print("\n".join(table(title, answers, lambda kind, found=found: found[kinds.index(kind) :: len(kinds)])))


def similarities(answers: Sequence[Answers], kind: str, encoder: object) -> list[float]:
    """SBERT of every clip's answer of a kind with its reference, -1 to 1."""
    return [sentence_similarity([one.candidates[kind]], [one.reference], encoder)["SBERT"] for one in answers]


if __name__ == "__main__":
    main()
