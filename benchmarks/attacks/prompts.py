"""What a judge is asked: typed questions, rubrics, listeners and languages that nobody expects."""

import math
import random
from pathlib import Path
from typing import Any

from tiny import tone

from attacks import judged, values
from attacks.rounds import Found

RATE = 16_000
LEVELS = ["bad", "fair", "good"]
QUESTIONS = {
    "hum": {"type": "noul", "instructions": "Is there hum?"},
    "mood": {"type": "choice", "instructions": "Which mood?", "criteria": {"calm": "calm", "angry": "angry"}},
    "warmth": {"type": "score", "instructions": "How warm?", "criteria": LEVELS},
}


class Prompts:
    """Questions to the judge from Python, each of which must be answered or refused in a sentence."""

    name, size = "prompts", 100

    def prepare(self, folder: Path) -> None:
        """Load the judge."""
        judged.judge_folder(folder)

    def attack(self, folder: Path, rng: random.Random, found: Found) -> None:
        """Ask a hundred times."""
        clip, judge = (tone(0.3, 440.0, RATE), RATE), judged.loaded()
        expected = judge.decide(clip, QUESTIONS)
        for number in range(self.size):
            found.tried += 1
            questions, rest = QUESTIONS, {"listener": None, "language": "en", "rubric": "mos"}
            is_question = rng.random() < 0.7
            if is_question:
                questions = values.mutated(QUESTIONS, rng)
            else:
                rest = values.mutated(rest, rng)
            asked = questions if is_question else rest
            print(number, ascii(asked)[:200], flush=True)
            try:
                if is_question:
                    _check_answers(judge.decide(clip, questions), asked, found)
                else:
                    judge.score(
                        clip, **{key: one for key, one in rest.items() if key in ("listener", "language", "rubric")}
                    )
            except (ValueError, OSError) as error:  # a sentence; of one that names a file, what the system says of it
                if not str(error):
                    found.note("tracebacks", f"{ascii(asked)[:200]}: {type(error).__name__} without a sentence")
            except Exception as error:
                found.note("tracebacks", f"{ascii(asked)[:200]}: {type(error).__name__}: {error}")
        if judge.decide(clip, QUESTIONS) != expected:
            found.note("wrong", "what was asked in between changed the answers")


def _check_answers(answers: dict[str, Any], asked: Any, found: Found) -> None:
    if set(answers) != set(asked):
        found.note("wrong", f"answers to {sorted(answers)} in place of {sorted(asked)}")
    for name, answer in answers.items():
        shares = answer.get("probabilities", {"yes": answer.get("noul", 0.0), "no": 1 - answer.get("noul", 0.0)})
        total = sum(shares.values()) if isinstance(shares, dict) else 1.0
        if not math.isclose(total, 1.0, abs_tol=1e-2):
            found.note("wrong", f"{name!r}: probabilities {shares}")
