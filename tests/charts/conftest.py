"""The chart, rendered by a real Helm."""

from __future__ import annotations

import pytest

from tests.charts.helm import Helm, find


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Helm 3, from $HELM, `make tools` or PATH."""
    return Helm(find("helm"))


@pytest.fixture(scope="session")
def kubeconform() -> str:
    """kubeconform, from $KUBECONFORM, `make tools` or PATH."""
    return find("kubeconform")
