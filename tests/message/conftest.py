"""Makes the corpus importable, and serves it by a private Dovecot, the oracle of this package."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "corpus"))
sys.path.insert(0, str(Path(__file__).parent))

from dovecot_oracle import Oracle, missing_part
from odd_messages import odd_messages


@pytest.fixture(scope="session")
def corpus() -> dict[str, bytes]:
    return odd_messages()


@pytest.fixture(scope="session")
def oracle(corpus: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    if reason := missing_part():
        pytest.skip(f"ORACLE NOT RUN: {reason}")
    with Oracle(tmp_path_factory.mktemp("oracle"), corpus) as serving:
        yield serving
