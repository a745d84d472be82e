"""Masking cuts everything that looks like a secret to its prefix."""

from __future__ import annotations

import pytest

from smart_router.dialects.masking import mask_secrets
from smart_router.providers.base import Provider
from smart_router.providers.registry import PROVIDERS


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Incorrect API key provided: sk-abc***xyz. See", "Incorrect API key provided: ***. See"),
        ("Incorrect API key provided: test. See", "Incorrect API key provided: ***. See"),
        ("used sk-proj-abcdef0123, twice", "used sk-***, twice"),
        ("used sk-ant-api03-abcdef...wxyz.", "used sk-***."),
        ("key AIzaSyA0123456789abcdef is", "key AIza*** is"),
        ("token ya29.a0AfB_byC-123 expired", "token ya29.*** expired"),
        ("(gsk_abcdef123456)", "(gsk_***)"),
        ("xai-0123456789abcdefXYZ", "xai-***"),
        ("Authorization: Bearer abc.def-ghi=", "Authorization: Bearer ***"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "jwt eyJ***"),
        ("a risk-assessment of sk-learn and xai-org", "a risk-assessment of sk-learn and xai-org"),
        ("The bearer of bad news", "The bearer of bad news"),
    ],
)
def test_masks(text: str, masked: str) -> None:
    assert mask_secrets(text) == masked


@pytest.mark.parametrize("provider", [pytest.param(row, id=row.id) for row in PROVIDERS.values()])
def test_masks_every_providers_keys(provider: Provider) -> None:
    for prefix in provider.key_prefixes:
        masked = mask_secrets(f"the key {prefix}0123456789abcdef is wrong.")
        assert "0123456789" not in masked
        assert masked.endswith("*** is wrong.")
