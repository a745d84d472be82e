"""What looks like a secret leaves no trace but its prefix."""

from __future__ import annotations

import pytest

from smart_router.dialects.masking import mask_secrets


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
