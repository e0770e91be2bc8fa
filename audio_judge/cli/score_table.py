"""The table that ``--table`` prints: one line a clip, its scores and their levels in words."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from audio_judge.batch.write import peer_column
from audio_judge.rubrics.rubric import Rubric, Scale

if TYPE_CHECKING:
    from audio_judge.judge.judgement import Judgement


class ScoreTable:
    """Lines of an aligned table for people, one clip at a time.

    Args:
        names: What the clips will be called, for the width of the first column.
        scale: Of all scores; None if each rubric has its own.
        beside: Names of further judges, and of what they score, for columns of theirs.
    """

    def __init__(
        self,
        names: Sequence[str],
        rubrics: Sequence[Rubric],
        scale: Scale | None = None,
        beside: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.beside = beside
        self.rubrics = [(one.on(scale) if scale else one) for one in rubrics]
        self.width = max(map(len, ("clip", *names)))

    def header(self) -> str:
        """The line above the rows, with the width that the names of the clips need."""
        return "  ".join(
            [
                f"{'clip':<{self.width}}",
                f"{'seconds':>7}",
                *(f"{one.name:>5}" for one in self.rubrics),
                *(peer_column(*one) for one in self.beside),
                "in words",
            ]
        )

    def line(
        self, name: str, judgement: "Judgement", beside: Mapping[str, Mapping[str, float | None]] | None = None
    ) -> str:
        """The row of one clip: scores, then the level of the first rubric and what else is less than best.

        Args:
            name: What the clip is called.
            judgement: What was said about it.
            beside: What further judges say, by judge and rubric.
        """
        # A judge that scores in words may have said nothing about one
        found = [(one, judgement.scores.get(one.name)) for one in self.rubrics]
        cells = [
            f"{'-' if said is None else format(said.value, f'.{_digits(one)}f'):>{max(5, len(one.name))}}"
            for one, said in found
        ]
        scores = [(one, said) for one, said in found if said is not None]
        words, *flaws = [said.level for one, said in scores if one is scores[0][0] or said.level != one.best_level]
        in_words = f"{words}: {', '.join(flaws)}" if flaws else words
        if judgement.is_silent:
            in_words = "silence: no speech to judge"
        for judge, rubric in self.beside:
            value = ((beside or {}).get(judge) or {}).get(rubric)
            cells.append(f"{'-' if value is None else format(value, '.2f'):>{len(peer_column(judge, rubric))}}")
        return "  ".join([f"{name:<{self.width}}", f"{judgement.seconds:>7.1f}", *cells, in_words])

    def error(self, name: str, reason: str) -> str:
        """The row of a clip that could not be judged, with the reason in place of scores."""
        return f"{name:<{self.width}}  error: {reason}"

    def legend(self) -> str:
        """What the numbers mean: a line for below the rows."""
        best = ", ".join(f"{one.name} {one.best_score:g} = {one.best_level}" for one in self.rubrics)
        first = self.rubrics[0]
        if any(one.scale != first.scale for one in self.rubrics):
            return f"Each rubric has its own scale; best are:\n{best}."
        is_high = all(one.best == "high" for one in self.rubrics)
        which = f"{first.high:g} is best on every rubric" if is_high else "best are"
        return f"Scores go from {first.low:g} to {first.high:g}; {which}:\n{best}."


def _digits(rubric: Rubric) -> int:
    return 2 if rubric.high - rubric.low < 20 else 1
