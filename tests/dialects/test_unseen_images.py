"""Images for models that see none: earlier ones leave a note, one of the turn at hand is refused by field."""

from __future__ import annotations

from typing import Any

import pytest

from smart_router.dialects.fitting import fit_request
from smart_router.dialects.model_rules import ModelRules
from smart_router.errors import ClientError

TEXT = {"type": "text", "text": "What is it?"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
BLIND, SEEING = ModelRules(context=1000), ModelRules(context=1000, vision=True)
SHOWN: dict[str, Any] = {"role": "user", "content": [TEXT, IMAGE]}
ANSWER, AGAIN = {"role": "assistant", "content": "A cat."}, {"role": "user", "content": "Sure?"}


def fit(messages: list[Any], rules: ModelRules) -> Any:
    return fit_request({"model": "m", "messages": messages}, rules)["messages"]


def test_an_earlier_image_leaves_a_note() -> None:
    first, *rest = fit([SHOWN, ANSWER, AGAIN], BLIND)
    assert [part["type"] for part in first["content"]] == ["text", "text"]
    assert "cannot see" in first["content"][1]["text"]
    assert rest == [ANSWER, AGAIN]


@pytest.mark.parametrize("messages", [[SHOWN], [AGAIN, ANSWER, SHOWN], [AGAIN, ANSWER, SHOWN, AGAIN]])
def test_an_image_of_the_turn_at_hand_is_refused_by_field(messages: list[Any]) -> None:
    with pytest.raises(ClientError, match="no images") as refused:
        fit(messages, BLIND)
    assert refused.value.param == f"messages[{messages.index(SHOWN)}].content"


@pytest.mark.parametrize("rules", [SEEING, ModelRules()], ids=["a model that sees", "an unknown model"])
def test_images_go_to_models_that_may_see_them(rules: ModelRules) -> None:
    assert fit([SHOWN], rules) == [SHOWN]
