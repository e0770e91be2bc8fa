import pytest
from trl import DPOConfig


@pytest.fixture
def config(tmp_path):
    """`config(**options)`: of a DPO run on a CPU."""

    def make(**options):
        options = {"use_cpu": True, "bf16": False, "report_to": "none", "disable_tqdm": True} | options
        options |= {"remove_unused_columns": False, "precompute_ref_log_probs": True, "gradient_checkpointing": False}
        return DPOConfig(str(tmp_path), max_length=None, **options)

    return make
