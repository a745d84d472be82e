"""The subsets of JSON Schema that vendors take, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from smart_router.dialects.json_schema.node import LIMITS, TEXTS

_ALL_TEXTS = frozenset(TEXTS)
_ALL_KEYWORDS = frozenset(LIMITS) | {"const", "prefixItems", "patternProperties", "oneOf"}


@dataclass(frozen=True, slots=True, eq=False)
class Subset:
    """One vendor's subset for one use; two that say the same are still two.

    Keywords: `keywords` are those taken of node.LIMITS, and of const, prefixItems, patternProperties, oneOf;
    `texts` those of node.TEXTS; `formats` the values of `format`, None meaning any. With `everything` all
    other keywords are taken, too. `values` are those that an enum may have.

    Root: `object_at_root` wants an object with `properties` there, `unions_at_root` allows a union.

    Objects: `closed` ones have `additionalProperties: false`, and `complete` ones require each property; a
    schema that cannot be written so without changing its meaning is not written at all. `opens` says that
    objects count as closed: those within the root that name no properties are opened. `required_named`
    allows only named properties in `required`.

    References: `recursion` is taken anywhere, only within optional properties, or nowhere; `ref_texts` are
    the keywords of node.TEXTS that may stand beside a reference.

    `most_optional` and `most_unions` are limits of a whole schema, `keys` a pattern of property names.
    """

    keywords: frozenset[str] = _ALL_KEYWORDS
    texts: frozenset[str] = _ALL_TEXTS
    formats: frozenset[str] | None = None
    everything: bool = False
    values: Literal["any", "strings_and_numbers"] = "any"
    object_at_root: bool = True
    unions_at_root: bool = True
    closed: bool = False
    complete: bool = False
    opens: bool = False
    required_named: bool = False
    recursion: Literal["anywhere", "in_optional", "nowhere"] = "anywhere"
    ref_texts: frozenset[str] = _ALL_TEXTS
    most_optional: int | None = None
    most_unions: int | None = None
    keys: str | None = None


_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)

OPENAI_TOOL = Subset(everything=True)
"""Parameters of a tool on OpenAI's wires that are not strict: any schema, but an object with properties, and
arrays with items (reports of MCP clients, 2025-2026). Vendors that copy the wire take no less."""

OPENAI_NEWER_TOOL = Subset(everything=True, unions_at_root=False)
"""The same for models that refuse a union at the top (GPT-5 and later; reports, 2026)."""

OPENAI_STRICT = Subset(
    keywords=frozenset(
        {"pattern", "format", "multipleOf", "minItems", "maxItems", "const"}
        | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    ),
    texts=frozenset({"title", "description"}),
    formats=_FORMATS - {"uri"},
    unions_at_root=False,
    closed=True,
    complete=True,
    ref_texts=frozenset({"title", "description"}),
)
"""Strict tools and answers (OpenAI structured outputs guide: supported schemas, November 2026)."""

ANTHROPIC_TOOL = Subset(everything=True, unions_at_root=False, keys=r"[a-zA-Z0-9_.-]{1,64}")
"""A tool's `input_schema` that is not strict (reports of MCP clients, 2026: unions, property names)."""

ANTHROPIC_ANSWER = Subset(
    keywords=frozenset({"format", "minItems", "const"}),
    texts=frozenset({"title", "description", "default"}),
    formats=_FORMATS,
    object_at_root=False,
    closed=True,
    recursion="nowhere",
    ref_texts=frozenset(),
    most_optional=24,
    most_unions=16,
)
"""`output_config.format` (Anthropic structured outputs docs: JSON Schema limitations, November 2026)."""

GEMINI = Subset(
    keywords=frozenset(
        {"format", "minItems", "maxItems", "minimum", "maximum"} | {"prefixItems", "propertyOrdering"}
    ),
    texts=frozenset({"title", "description", "default"}),
    values="strings_and_numbers",
    object_at_root=False,
    required_named=True,
    recursion="in_optional",
    ref_texts=frozenset({"description", "default"}),
)
"""`parametersJsonSchema` and `responseJsonSchema` (Gemini API reference, GenerationConfig, November 2026)."""

XAI = Subset(everything=True, opens=True, recursion="nowhere")
"""Tools and answers, both always strict (docs.x.ai, structured outputs, November 2026)."""
