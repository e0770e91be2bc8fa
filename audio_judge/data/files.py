"""Examples on disk: written, read, opened as a data set."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from audio_judge.batch import lines
from audio_judge.data.examples import Example
from audio_judge.errors import UsageError

_ROWS_AT_ONCE = 1000


def write_examples(examples: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write examples in a stream: one JSON object per line, or parquet with one column of JSON text, ``example``.

    ``datasets.load_dataset`` reads both, and ``read_example`` a row of either.

    Args:
        path: Parquet if it ends so, else JSON lines; a file that is there is replaced when all is written.

    Returns:
        Number of examples.
    """
    if path.suffix.lower() != ".parquet":
        return lines.write(path, examples)
    part = path.with_name(f"{path.name}.part")
    try:
        written = _write_parquet((json.dumps(example, ensure_ascii=False) for example in examples), part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return written


def _write_parquet(texts: Iterator[str], path: Path) -> int:
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([("example", pyarrow.string())])
    written = 0
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while rows := list(islice(texts, _ROWS_AT_ONCE)):
            writer.write_table(pyarrow.table({"example": rows}, schema))
            written += len(rows)
    return written


def read_examples(path: Path) -> Iterator[Example]:
    """Read a file of ``write_examples`` in a stream; a UsageError if it is none."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    try:
        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet

            for batch in pyarrow.parquet.ParquetFile(path).iter_batches(_ROWS_AT_ONCE, columns=["example"]):
                yield from (read_example(row) for row in batch.to_pylist())
            return
        yield from (read_example(row) for _, row in lines.read(path, "json"))
    except (ValueError, TypeError, OSError) as error:  # pyarrow's errors are ValueErrors and OSErrors
        raise UsageError(f"{path}: not examples as `audio-judge data` writes them ({error})") from error


def to_dataset(examples: Iterable[Mapping[str, Any]]) -> Any:
    """Pack examples as a ``datasets.Dataset`` with one column of JSON text, ``example``.

    Columns of their own would have to share one structure in Arrow, which fills every example with the names of all
    questions and with empty values; paths of audio stay plain text here.
    """
    from datasets import Dataset

    return Dataset.from_dict({"example": [json.dumps(example, ensure_ascii=False) for example in examples]})


def read_example(row: Mapping[str, Any]) -> Example:
    """Unpack a row ``{"example": JSON}``; an example passes through.

    Example:
        >>> read_example({"example": '{"task": "decide"}'})
        {'task': 'decide'}
    """
    return json.loads(row["example"]) if set(row) == {"example"} else dict(row)


def load_examples(paths: Sequence[str | Path], *, streaming: bool = False) -> Any:
    """Open files of examples as a ``datasets`` dataset that needs no more memory for longer files.

    Args:
        streaming: Whether rows are read as they are asked for; else a memory-mapped copy is kept in the cache of
            ``datasets``, which has a length and any row at once.

    Returns:
        A ``Dataset``, or with ``streaming`` an ``IterableDataset``, of rows for ``read_example``.

    Raises:
        ValueError: If a file is not there, empty or not one of ours.
    """
    from datasets import concatenate_datasets

    if not paths:
        raise ValueError("no files of examples; give at least one")
    return concatenate_datasets([_load_file(Path(path), streaming) for path in paths])


def _load_file(path: Path, streaming: bool) -> Any:
    from datasets import Features, Value, load_dataset
    from datasets.exceptions import DatasetGenerationError

    # Lines stay text: their objects share no structure that Arrow could hold
    readers = {".parquet": ("parquet", {}), ".jsonl": ("text", {"features": Features({"example": Value("string")})})}
    if path.suffix.lower() not in readers or not path.is_file():
        raise ValueError(f"{path}: a .parquet or .jsonl file that `audio-judge data` wrote is needed")
    reader, options = readers[path.suffix.lower()]
    try:
        rows = load_dataset(reader, data_files=str(path), split="train", streaming=streaming, **options)
        is_ours = "task" in read_example(next(iter(rows)))
    except (ValueError, TypeError, OSError, StopIteration, DatasetGenerationError) as error:
        raise ValueError(f"{path}: holds no examples as `audio-judge data` writes them ({error})") from error
    if not is_ours:
        raise ValueError(f"{path}: holds no examples as `audio-judge data` writes them")
    return rows
