"""Metadata of Gemini's answers: token counts, log probabilities, sources (Gemini API reference)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from smart_router.dialects.hub import Usage, make_usage, url_citation
from smart_router.dialects.json_values import as_count, as_list, as_object, as_text

_LEAST_LOGPROB = -9999
"""OpenAI's value for extremely unlikely tokens."""


_COUNTS = frozenset({"promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount"})


def read_usage(metadata: Any) -> Usage | None:
    """`usageMetadata` in OpenAI's convention: thinking is part of the completion, and what server-side
    tools read is part of the prompt. None if it counts nothing (early fragments name only the traffic type).

    Some gateways count thoughts among the candidates' tokens, which the total shows.
    """
    counts = as_object(metadata)
    if counts.keys().isdisjoint(_COUNTS):
        return None
    prompt = as_count(counts.get("promptTokenCount")) + as_count(counts.get("toolUsePromptTokenCount"))
    written = as_count(counts.get("candidatesTokenCount"))
    thoughts = as_count(counts.get("thoughtsTokenCount"))
    total = as_count(counts.get("totalTokenCount"))
    within = thoughts <= written and total == prompt + written
    return make_usage(
        prompt,
        written if within else written + thoughts,
        total=total or None,
        cached=as_count(counts.get("cachedContentTokenCount")) or None,
        reasoning=thoughts or None,
    )


def write_usage(usage: Usage) -> dict[str, int]:
    """Return usage as `usageMetadata`, the inverse of `read_usage`. Cache writes have no field."""
    thoughts = as_count(as_object(usage.get("completion_tokens_details")).get("reasoning_tokens"))
    cached = as_count(as_object(usage.get("prompt_tokens_details")).get("cached_tokens"))
    return {
        "promptTokenCount": usage["prompt_tokens"],
        "candidatesTokenCount": max(0, usage["completion_tokens"] - thoughts),
        "totalTokenCount": usage["total_tokens"],
        **({"thoughtsTokenCount": thoughts} if thoughts else {}),
        **({"cachedContentTokenCount": cached} if cached else {}),
    }


def read_logprobs(result: Any) -> dict[str, Any] | None:
    """`logprobsResult` as OpenAI's `logprobs`: the chosen tokens, each with its rivals."""
    steps = as_list(as_object(result).get("topCandidates"))
    content = []
    for number, chosen in enumerate(as_list(as_object(result).get("chosenCandidates"))):
        if token := _read_token(chosen):
            rivals = as_list(as_object(steps[number]).get("candidates")) if number < len(steps) else []
            tops = [top for rival in rivals if (top := _read_token(rival))]
            content.append({**token, "top_logprobs": tops})
    return {"content": content, "refusal": None} if content else None


def write_logprobs(tokens: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return OpenAI's log probabilities as `logprobsResult`; empty without any."""
    if not tokens:
        return {}
    rivals = [
        {"candidates": [_write_token(rival) for rival in one.get("top_logprobs") or ()]} for one in tokens
    ]
    return {"chosenCandidates": [_write_token(one) for one in tokens], "topCandidates": rivals}


def _write_token(token: Mapping[str, Any]) -> dict[str, Any]:
    return {"token": token.get("token"), "logProbability": token.get("logprob")}


def _read_token(candidate: Any) -> dict[str, Any] | None:
    token, value = as_object(candidate).get("token"), as_object(candidate).get("logProbability")
    if not isinstance(token, str) or not isinstance(value, (int, float)):
        return None
    return {
        "token": token,
        "logprob": float(max(_LEAST_LOGPROB, min(value, 0))),
        "bytes": list(token.encode()),
    }


def read_annotations(metadata: Any, said: Sequence[str], cited: set[str]) -> list[dict[str, Any]]:
    """Return the web sources of `groundingMetadata` that `cited` lacks, and add them to it.

    `said` are the pieces of the answer's text so far. Each source carries the first stretch of it that
    rests on that source, in characters; Gemini counts UTF-8 bytes.
    """
    grounding = as_object(metadata)
    if not grounding:
        return []
    text = "".join(said).encode()
    stretches: dict[int, Mapping[str, Any]] = {}
    for support in as_list(grounding.get("groundingSupports")):
        for number in as_list(as_object(support).get("groundingChunkIndices")):
            stretches.setdefault(as_count(number), as_object(as_object(support).get("segment")))
    annotations = []
    for number, chunk in enumerate(as_list(grounding.get("groundingChunks"))):
        web = as_object(as_object(chunk).get("web"))
        if not (url := as_text(web.get("uri"))) or url in cited:
            continue
        cited.add(url)
        stretch = stretches.get(number, {})
        before = [text[: as_count(stretch.get(name))] for name in ("startIndex", "endIndex")]
        start, end = (len(part.decode("utf-8", "ignore")) for part in before)
        annotations.append(url_citation(url, as_text(web.get("title")), start, end))
    return annotations


def write_grounding(annotations: Sequence[Mapping[str, Any]], said: Sequence[str]) -> dict[str, Any]:
    """Return OpenAI's citations of addresses as `groundingMetadata`; empty without any.

    `said` are the pieces of the answer's text. OpenAI counts characters, Gemini UTF-8 bytes.
    """
    chunks, supports = [], []
    text = "".join(said) if annotations else ""
    for annotation in annotations:
        citation = as_object(annotation.get("url_citation"))
        if not (url := as_text(citation.get("url"))):
            continue
        chunks.append({"web": {"uri": url, "title": as_text(citation.get("title"))}})
        start, end = as_count(citation.get("start_index")), as_count(citation.get("end_index"))
        if start < end:
            segment = {
                "startIndex": len(text[:start].encode(errors="replace")),
                "endIndex": len(text[:end].encode(errors="replace")),
                "text": text[start:end],
            }
            supports.append({"segment": segment, "groundingChunkIndices": [len(chunks) - 1]})
    if not chunks:
        return {}
    return {"groundingChunks": chunks, **({"groundingSupports": supports} if supports else {})}
