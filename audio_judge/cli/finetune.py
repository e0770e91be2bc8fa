"""``audio-judge finetune``: teach a judge what one's own listeners said of some clips, and keep that only where it helps."""

import argparse
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_judge.batch.run import say, say_some
from audio_judge.cli.options import (
    JUDGE,
    OUTPUT,
    add_judge_name,
    positive_float,
    positive_int,
    whole_number,
)
from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import ALL_RUBRICS, read_scale

if TYPE_CHECKING:
    from audio_judge.clips import RatedClip
    from audio_judge.eval.gain import Gain
    from audio_judge.judge.judge import AudioJudge

FEWEST_CLIPS = 20
NOTE = "finetune.json"

EXAMPLES = f"""examples:
  audio-judge finetune ratings.csv --output runs/own
  audio-judge finetune ratings.csv --columns path=file,mos=score --scale 0-100 --judge open --output runs/own
  audio-judge score clips/ --judge runs/own --output scores.jsonl
  audio-judge push me/own --judge runs/own --dry-run upload

The table (csv, tsv, jsonl, data set) has a column of clips and one called like each rubric with its mean rating; of a rubric, mos
say, the columns mos_std and mos_votes, or in a jsonl the list of votes, also tell how well listeners agree. Tables of single
votes with a row for each clip and rubric (`rated` of `ls corpora`) are read, too. The columns split (train, validation, test),
speaker, system, source and reference are heeded where they are there: without splits, clips are dealt 3:1:1 so that no speaker,
original, system and source is in two of them, as far as they are enough.

A fifth of the clips says when to stop, a fifth is held out. What was learned is kept only if it agrees better with the listeners
of the held-out clips by more than chance; else FOLDER holds the judge as it was, and that is said. It takes {FEWEST_CLIPS} clips or more,
and some hundreds to do much; for a scale that is off, `calibrate` needs fewer. Needs the extra train. Exit code: 0, 1 if
the weights stayed as they were or clips were left out, 2 if nothing could be done."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``finetune``."""
    group = parser.add_argument_group("what is learned")
    group.add_argument("table", metavar="TABLE", help="rated clips: .csv, .tsv, .jsonl, hf://datasets/OWNER/NAME:SPLIT")
    group.add_argument("--columns", metavar="MAPPING", help="which column means what, such as path=file,mos=score")
    group.add_argument("--scale", metavar="SCALE", help="of all ratings, such as 0-100 (default: that of each rubric)")
    group.add_argument("--data-license", metavar="NAME", help="licence of the clips and ratings, for the card")
    judge = parser.add_argument_group(JUDGE)
    add_judge_name(judge)
    judge.add_argument(
        "--batch-size",
        type=positive_int,
        default=8,
        metavar="N",
        help="clips per step, and windows per pass (default: 8)",
    )
    how = parser.add_argument_group("how it is learned")
    how.add_argument("--epochs", type=positive_int, default=12, metavar="N", help="at most (default: 12)")
    how.add_argument("--learning-rate", type=positive_float, default=2e-4, metavar="X", help="(default: 2e-4)")
    how.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of splits and training (default: 0)")
    out = parser.add_argument_group(OUTPUT)
    out.add_argument("--output", "--out", required=True, metavar="FOLDER", help="where the judge is written")
    out.add_argument("--overwrite", action="store_true", help="replace the judge of an earlier run")


def finetune(options: argparse.Namespace) -> int:
    """Teach a judge, measure it before and after, and write the better one."""
    from audio_judge.corpora import CorpusError

    out = Path(options.output)
    _check_output(out, options)
    try:
        clips, problems = _readable(_read(options))
    except CorpusError as error:
        raise UsageError(str(error)) from error
    say_some(problems)
    if len(clips) < FEWEST_CLIPS:
        raise UsageError(
            f"{options.table}: {len(clips)} rated clips that can be read; at least {FEWEST_CLIPS} are needed; "
            "`audio-judge calibrate` needs fewer"
        )
    try:
        import trl  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(f"finetune needs {error.name}: pip install 'audio-judge[train]'") from error
    clips, together = _in_splits(clips, options.seed)
    parts = {split: [clip for clip in clips if clip.split == split] for split in ("train", "validation", "test")}
    say(f"{_counted(parts)}; {_apart(together)}")
    judge = _load(options)
    gain, trained = _learn(judge, parts, options)
    kept = gain.is_better
    shutil.rmtree(out, ignore_errors=True)
    _write_judge(judge if kept else None, out, options)
    _write_note(out, options, parts, together, gain, trained)
    _write_card(out, options, parts, together, gain)
    print(gain.table())
    say(f"{out}: {_verdict(gain, parts, options.judge)}")
    return 0 if kept and not problems else 1


def _check_output(out: Path, options: argparse.Namespace) -> None:
    """Refuse to write over anything but what an earlier run has written, and over the judge that is begun with."""
    if options.judge and out.exists() and Path(options.judge).is_dir() and out.samefile(options.judge):
        raise UsageError(f"--output {out} is the judge that is begun with; choose another folder")
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() and not options.overwrite:
        raise UsageError(f"{out} is there already; give --overwrite, or another --output")
    if out.exists() and not (out / NOTE).is_file():
        raise UsageError(f"--overwrite: {out} is none that `finetune` has written (no {NOTE}); choose another --output")


# The clips


def _read(options: argparse.Namespace) -> "list[RatedClip]":
    """The rated clips of a table, on the scales of our rubrics; those of a table with splits in theirs, of others in none."""
    from audio_judge.corpora.rated import read_rated
    from audio_judge.corpora.table import read_on_our_scales
    from audio_judge.eval.user_tables import header, parse_columns, table_benchmark

    names, columns = header(options.table), parse_columns(options.columns)
    if {"rubric", "votes", "scale_low"} <= set(names) and not columns:
        return list(read_rated(options.table))
    layout: dict[str, Any] = dict(table_benchmark(options.table, columns).options["columns"])
    unknown = [name for name in layout["ratings"] if name not in ALL_RUBRICS]
    if unknown:
        raise UsageError(f"{unknown[0]}: no rubric of ours (see `ls rubrics`); say with --columns which one it is")
    if options.scale:
        scale = _scale(options.scale)
        layout["scales"] = dict.fromkeys(layout["ratings"], scale) | layout["scales"]
    layout["split"] = "split" if "split" in names else None
    layout["corpus"] = next((name for name in ("source", "corpus") if name in names), None)
    return [clip if layout["split"] else replace(clip, split="") for clip in read_on_our_scales(options.table, layout)]


def _scale(text: str) -> list[float]:
    try:
        scale = read_scale(text)
    except ValueError as error:
        raise UsageError(f"--scale {text}: {error}; such as 1-5 or 0-100 is needed") from error
    return [scale.low, scale.high]


def _readable(clips: "Sequence[RatedClip]") -> "tuple[list[RatedClip], list[str]]":
    """The clips that can be opened, and what is wrong with others."""
    from audio_judge.audio import AudioError, audio_info

    found, problems = [], []
    for clip in clips:
        try:
            audio_info(clip.path)
        except (AudioError, OSError) as error:
            problems.append(str(error))
        else:
            found.append(clip)
    return found, problems


def _in_splits(clips: "list[RatedClip]", seed: int) -> "tuple[list[RatedClip], tuple[str, ...]]":
    """Clips in three splits, those of the table if it has any, and what no two of these share.

    Raises:
        UsageError: If the splits of the table share a clip.
    """
    from audio_judge.corpora.splits import KEPT_TOGETHER, SAME_CLIP, SHARES, SplitError, check_disjoint, deal

    lacking = [split for split in SHARES if not any(clip.split == split for clip in clips)]
    if len(lacking) == len(SHARES):
        return deal(clips, seed=seed)
    dealt = clips
    if lacking:  # what is missing comes out of training
        train = [clip for clip in clips if clip.split == "train"]
        if not train:
            raise UsageError("the column split has no train; leave the column out, and clips are dealt to splits")
        parts = {split: SHARES[split] for split in ("train", *lacking)}
        shares = {split: share / sum(parts.values()) for split, share in parts.items()}
        rest = [clip for clip in clips if clip.split != "train"]
        dealt = [*deal(train, shares, seed)[0], *rest]
    try:
        check_disjoint(dealt, SAME_CLIP)
    except SplitError as error:
        raise UsageError(f"splits of the table: {error}") from error
    apart = []
    for name in KEPT_TOGETHER:
        if len({getattr(clip, name) for clip in dealt}) > 1:
            try:
                check_disjoint(dealt, (name,))
                apart.append(name)
            except SplitError as error:
                say(f"{error}; the figures may be too good")
    return dealt, tuple(apart)


def _counted(parts: "Mapping[str, Sequence[RatedClip]]") -> str:
    train, validation, test = (len(parts[split]) for split in ("train", "validation", "test"))
    return f"{train} clips to learn from, {validation} to stop by, {test} held out"


def _apart(together: Sequence[str]) -> str:
    return (
        f"no {' and no '.join(together)} is in two of them" if together else "nothing is known that they must not share"
    )


# Learning and measuring


def _load(options: argparse.Namespace) -> "AudioJudge":
    from audio_judge.cli.common import load_judge

    judge = load_judge(options.judge, device=options.device, dtype="float32", revision=options.revision)
    learned = judge.identity.learned
    if learned is None or not learned.decides or not hasattr(judge.processor, "decision_inputs"):
        known = "does not say that it learned typed questions" if learned is None else f"learned {learned}"
        raise UsageError(
            f"{judge.name}: it {known}; finetune goes on from judges of ours that answer typed questions, train_sft.py from any"
        )
    return judge


def _learn(
    judge: "AudioJudge", parts: "Mapping[str, Sequence[RatedClip]]", options: argparse.Namespace
) -> "tuple[Gain, dict[str, Any]]":
    """Teach a judge in place, and measure what it gained on the clips that were held out."""
    from audio_judge.eval.gain import measure_gain
    from audio_judge.training.finetune import Schedule, finetune, with_rehearsal

    schedule = Schedule(options.epochs, options.learning_rate, options.batch_size, seed=options.seed)
    before = _scores(judge, parts["test"], options.batch_size)
    train = with_rehearsal(judge, parts["train"], seed=options.seed, batch_size=options.batch_size)
    trained = finetune(judge, train, parts["validation"], schedule)
    after = _scores(judge, parts["test"], options.batch_size)
    groups = [clip.speaker or clip.reference or clip.path for clip in parts["test"]]
    return measure_gain(parts["test"], before, after, groups), trained


def _scores(judge: "AudioJudge", clips: "Sequence[RatedClip]", batch_size: int) -> list[dict[str, float]]:
    import audio_judge

    names = list(dict.fromkeys(name for clip in clips for name in clip.ratings))
    asked = [audio_judge.Request(clip.path, clip.reference) for clip in clips]
    judged = judge.score(asked, rubric=names, batch_size=batch_size, progress=True)
    return [{} if one.error is not None else {name: one[name].value for name in names} for one in judged]


# What is written


def _write_judge(judge: "AudioJudge | None", out: Path, options: argparse.Namespace) -> None:
    """Write a judge; None for the one that was begun with, as it is."""
    from audio_judge.judge.shipped import place_of

    place = Path(place_of(options.judge))
    if judge is None and place.is_dir():
        shutil.copytree(place, out, ignore=shutil.ignore_patterns("README.md", "results.json", "__pycache__"))
        return
    whole = judge or _load(options)
    for part in (whole.model, whole.processor):
        part.save_pretrained(out)


def _verdict(gain: "Gain", parts: "Mapping[str, Sequence[RatedClip]]", name: str | None) -> str:
    if gain.is_better:
        return f"agrees better with the listeners of {len(parts['test'])} held-out clips than {name or 'mini'} did"
    return (
        f"holds {name or 'mini'} as it was: what {len(parts['train'])} clips taught is no better on the {len(parts['test'])} held out by more "
        "than chance; rate more clips, or try `audio-judge calibrate`"
    )


def _write_note(
    out: Path,
    options: argparse.Namespace,
    parts: "Mapping[str, Sequence[RatedClip]]",
    together: Sequence[str],
    gain: "Gain",
    trained: Mapping[str, Any],
) -> None:
    """What was done, and which clip was in which split, so that nobody tests on what was learned."""
    said = {"kept": gain.is_better, "judge": options.judge or "mini", "seed": options.seed, "epochs": options.epochs}
    said |= {"learning_rate": options.learning_rate, "training": dict(trained), "not_shared": list(together)}
    said |= {"figures": asdict(gain), "splits": {split: [clip.path for clip in own] for split, own in parts.items()}}
    (out / NOTE).write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _write_card(
    out: Path,
    options: argparse.Namespace,
    parts: "Mapping[str, Sequence[RatedClip]]",
    together: Sequence[str],
    gain: "Gain",
) -> None:
    """A card of ours, with what is known of the run and its figures."""
    from audio_judge.hub.card import CardFacts, write_card

    name, table = options.judge or "mini", Path(options.table).name
    votes = Counter(rubric for own in parts.values() for clip in own for rubric in clip.ratings)
    rated = ", ".join(f"{rubric} ({number})" for rubric, number in votes.items())
    made = f"From `{name}`, by `audio-judge finetune {table}`: {_counted(parts)}; {_apart(together)}."
    if not gain.is_better:
        made += " What they taught was no better on the held-out clips by more than chance, so **the weights are those of before**."
    facts = CardFacts(
        license=_licence(out, options),
        summary=f"`{name}`, {'taught' if gain.is_better else 'tried on'} ratings of listeners: {', '.join(votes)}.",
        making=made,
        training_data=f"`{table}`, clips with their ratings: {rated}. What `{name}` learned before stands on its own card.",
        reaches="On the held-out clips, with 95 % intervals:\n\n" + gain.table(),
        limits=(
            "The figures are of clips like those that were rated; other clips, voices and listeners were not tried.",
            "Explanations, comparisons and rubrics that nobody rated were hardly practised, and may have changed.",
        ),
        data_license=(options.data_license,) if options.data_license else (),
    )
    write_card(out, facts)


def _licence(folder: Path, options: argparse.Namespace) -> str:
    """The strictest of what it is made of: the judge which was taught (the shipped one's, or that of its card), and the ratings."""
    from huggingface_hub import ModelCard

    from audio_judge.hub.files import read_json
    from audio_judge.hub.licences import parts_of, strictest
    from audio_judge.judge.shipped import place_of, shipped_judge

    shipped = shipped_judge(options.judge)
    card = Path(place_of(options.judge)) / "README.md"
    stated = ModelCard.load(card).data.license if shipped is None and card.is_file() else None
    parts, _ = parts_of(read_json(folder / "config.json"))
    ratings = [options.data_license] if options.data_license else []
    return strictest([str(stated or "unknown") if shipped is None else shipped.license, *parts, *ratings])
