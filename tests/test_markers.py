"""What is run by hand, like `pytest -m gpu`, says why it does not run where it cannot."""

import os
import subprocess
import sys

from tests.workflow.conftest import ROOT


def test_without_a_gpu_its_tests_are_skipped_with_a_reason():
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "gpu", "-rs", "-q", "-p", "no:cacheprovider", "tests/machine"],
        cwd=ROOT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "needs a CUDA device, and PyTorch finds none here" in result.stdout
    assert "failed" not in result.stdout
