"""The profiles, rendered."""

from __future__ import annotations

import pytest

from tests.chart.rendering import PROFILES, Object, profile, render


@pytest.fixture(params=PROFILES, scope="module")
def objects(request: pytest.FixtureRequest) -> list[Object]:
    """All objects of each profile."""
    return render(profile(request.param))
