# ruff: noqa: F401, F811 (fixtures are imported by their names)
import os
import socket
import subprocess
import sys

import pytest
import soundfile
from shell import folder, judge_folder, lines, loaded, run
from tiny import tone

from audio_judge.batch.items import Columns, Item
from audio_judge.batch.shards import Shard, check_parts, merge, this_shard
from audio_judge.batch.write import Answer, RowWriter
from audio_judge.errors import UsageError


@pytest.fixture(autouse=True)
def more_clips(folder):
    for index in range(3, 7):
        soundfile.write(folder / f"clips/{index}.wav", tone(0.5, 300 + 100 * index, 16_000), 16_000)


TORCHRUN = ("torch.distributed.run", "--nproc_per_node", "2", "--master_addr", "127.0.0.1", "--master_port")
# Without --multi_gpu, accelerate starts one process on a machine without GPUs
ACCELERATE = ("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision",
              "no", "--dynamo_backend", "no", "--main_process_port")  # fmt: skip


def launched(judge, *arguments, launcher=TORCHRUN):
    """The command on two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", *launcher, str(port), "-m", "audio_judge", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    words += ["--judge", str(judge), "--device", "cpu"]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class TestTwoProcesses:
    @pytest.mark.parametrize(("suffix", "launcher"), [("jsonl", TORCHRUN), ("csv", TORCHRUN), ("jsonl", ACCELERATE)])
    def test_rows_are_merged_in_order_each_once(self, run, folder, judge_folder, suffix, launcher):
        clips = ["clips", "missing.wav", "clips/1.wav"]  # one of them twice, one of them bad
        run("score", *clips, "--rubric", "mos", "--batch-size", "1", "--output", f"alone.{suffix}")
        options = ("--rubric", "mos", "--batch-size", "1", "--output", f"both.{suffix}")
        process = launched(judge_folder, "score", *clips, *options, launcher=launcher)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 1, err  # of the file that is missing
        assert out == ""
        assert (folder / f"both.{suffix}").read_text() == (folder / f"alone.{suffix}").read_text()
        assert "8 clips scored, 1 error" in err
        assert sorted(path.name for path in folder.glob("both*")) == [f"both.{suffix}"]


class TestKilled:
    def test_goes_on_with_the_parts(self, run, folder, judge_folder):
        run("score", "clips", "--batch-size", "1", "--output", "alone.jsonl")
        rows = (folder / "alone.jsonl").read_text().splitlines(keepends=True)
        # What two processes leave that are killed in the middle of a line
        (folder / "both.part-1-of-2.jsonl").write_text(rows[0] + rows[2] + rows[4][:30])
        (folder / "both.part-2-of-2.jsonl").write_text(rows[1])
        process = launched(judge_folder, "score", "clips", "--batch-size", "1", "--output", "both.jsonl", "--resume")
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert (folder / "both.jsonl").read_text() == "".join(rows)
        assert not list(folder.glob("*part*"))


def write_rows(path, names):
    with RowWriter(path, ["path"], ["mos", "error"]) as writer:
        for name in names:
            writer.write({"path": name}, Answer({"scores": {}, "mos": path.name}), {"task": "score"})


def items_of(names):
    return [Item({"path": name}, name) for name in names]


class TestMerge:
    def test_earlier_rows_and_parts(self, folder):
        items = items_of("abcde")
        write_rows(folder / "s.jsonl", "cx")  # x is no longer asked for
        write_rows(folder / "s.part-1-of-2.jsonl", "ad")
        write_rows(folder / "s.part-2-of-2.jsonl", "eb")
        left = [item for item in items if item.path != "c"]
        shares = [[left[0], left[2]], [left[1], left[3]]]
        merge(folder / "s.jsonl", shares, items, Columns().identity, [])
        assert [row["path"] for row in lines((folder / "s.jsonl").read_text())] == list("abcde")
        assert [path.name for path in folder.glob("s.*")] == ["s.jsonl"]

    def test_missing_row_costs_nothing(self, folder):
        items = items_of("ab")
        write_rows(folder / "s.part-1-of-2.jsonl", "a")
        with pytest.raises(UsageError, match="no row for b"):
            merge(folder / "s.jsonl", [items[:1], items[1:]], items, Columns().identity, [])
        assert (folder / "s.part-1-of-2.jsonl").exists()
        assert not (folder / "s.jsonl").exists()


class TestShard:
    def test_every_item_is_in_one_share(self):
        shares = [Shard(index, 3).of(range(8)) for index in range(3)]
        assert sorted(item for share in shares for item in share) == list(range(8))

    def test_is_told_by_the_launcher(self, monkeypatch):
        assert this_shard() == Shard()
        for name, value in {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "x"}.items():
            monkeypatch.setenv(name, value)
        assert this_shard() == Shard(5, 8, 1)

    def test_other_number_of_processes_is_refused(self, folder):
        (folder / "s.part-1-of-4.jsonl").touch()
        check_parts(folder / "s.jsonl", Shard(0, 4))
        for count in (1, 2):
            with pytest.raises(UsageError, match="4 processes"):
                check_parts(folder / "s.jsonl", Shard(0, count))


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["clips"], "need an --output file"),
            (["-", "--output", "s.jsonl"], "cannot share standard input"),
        ],
    )
    def test_what_cannot_be_shared(self, run, monkeypatch, arguments, reason):
        for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}.items():
            monkeypatch.setenv(name, value)
        code, _, err = run("score", *arguments)
        assert (code, reason in err) == (2, True)
