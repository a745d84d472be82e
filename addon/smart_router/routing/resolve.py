"""From an explicit model name to one provider and model: no scoring, no fallback."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from smart_router.errors import ClientError, unsupported
from smart_router.providers.base import Provider
from smart_router.routing.decision import Candidate
from smart_router.suggestions import did_you_mean


def resolve(
    asked: str,
    providers: Mapping[str, Provider],
    configured: Callable[[str], bool],
    order: Sequence[str] = (),
) -> Candidate:
    """The candidate that an explicit model name means.

    Read first as `provider/model`, where the first segment is a provider that has such a model (or that
    takes any id); then as a bare id, slashes and all, of the providers that list it: the first configured
    one in `order`, then in the registry's order. So `openai/gpt-oss-120b`, which openai does not list, is
    groq's id, and `anthropic/claude-sonnet-5.5`, with a dot, is OpenRouter's. A date at the end of an id does
    not matter. An id that nobody lists goes to a provider whose family of models it looks like, which knows
    whether it exists.

    Raises ClientError: 404 if nobody has the model, 401 if the provider that has it has no credential.
    """
    named = _as_named(asked, providers)
    if named and configured(named.provider):
        return named
    ordered = [providers[name] for name in _ordered(providers, order)]
    listing = [Candidate(one.id, asked) for one in ordered if one.find_model(asked)]
    if not listing and not named:
        name, _, model = asked.partition("/")
        if name in providers and providers[name].is_family(model):
            named = Candidate(name, model)
        listing = [Candidate(one.id, asked) for one in ordered if one.is_family(asked)]
        if named and configured(named.provider):
            return named
    reachable = [candidate for candidate in listing if configured(candidate.provider)]
    if named:
        raise _no_credential(asked, [providers[named.provider]], reachable)
    if reachable:
        return reachable[0]
    if listing:
        raise _no_credential(asked, [providers[candidate.provider] for candidate in listing], ())
    near = did_you_mean(asked, _names(ordered, configured))
    raise ClientError(
        404,
        f"The model `{asked}` does not exist{near or '; GET /v1/models lists those that do'}",
        code="model_not_found",
        param="model",
    )


def resolve_unlisted(
    asked: str,
    providers: Mapping[str, Provider],
    configured: Callable[[str], bool],
    order: Sequence[str] = (),
) -> Candidate:
    """The candidate for an endpoint other than chat, whose models the catalogue does not have.

    `provider/model` is taken at its word; a bare id belongs to the provider that lists it, or to one whose
    `other_models` match it. Raises ClientError as `resolve` does, and a 400 for a provider whose API is not
    OpenAI's.
    """
    name, _, model = asked.partition("/")
    if model and name in providers:
        owners = [Candidate(name, model)]
    else:
        owners = [
            Candidate(id_, asked)
            for id_ in _ordered(providers, order)
            if asked in providers[id_].models
            or any(fnmatchcase(asked, pattern) for pattern in providers[id_].other_models)
        ]
    if not owners:
        raise ClientError(404, f"The model `{asked}` does not exist.", code="model_not_found", param="model")
    found = next((owner for owner in owners if configured(owner.provider)), None)
    if found is None:
        raise _no_credential(asked, [providers[owner.provider] for owner in owners], ())
    if not providers[found.provider].has_openai_paths:
        raise unsupported("model", f"{found.provider} does not have this endpoint of OpenAI's API")
    return found


def _as_named(asked: str, providers: Mapping[str, Provider]) -> Candidate | None:
    name, _, model = asked.partition("/")
    provider = providers.get(name)
    if provider is None or not model or (provider.listed and not provider.find_model(model)):
        return None
    return Candidate(name, model)


def _names(ordered: Iterable[Provider], configured: Callable[[str], bool]) -> Iterator[str]:
    """Names that a model can be asked for by, those of providers with a credential."""
    for provider in ordered:
        if configured(provider.id):
            for model in provider.models:
                yield from (model, f"{provider.id}/{model}")


def _ordered(providers: Mapping[str, Provider], order: Sequence[str]) -> Iterator[str]:
    yield from (name for name in order if name in providers)
    yield from (name for name in providers if name not in order)


def _no_credential(asked: str, owners: Sequence[Provider], others: Sequence[Candidate]) -> ClientError:
    """The 401 for a known model without a credential; `others` can reach it under another name."""
    message = f"The model `{asked}` needs a credential: {' or '.join(how_to_configure(p) for p in owners)}."
    message += f" {add_at_once(owners[0])}"
    if others:
        message += f" It can also be reached as `{others[0]}`."
    return ClientError(401, message, code="no_credential", param="model")


def add_at_once(provider: Provider) -> str:
    """A hint for users who set a key while the router runs: a command that works without a restart."""
    command = f"smart-router profiles add {provider.id} main"
    if provider.kind == "login" or not provider.key_env:
        command = f"smart-router login {provider.id}"
    return f"The environment is read when the router starts; `{command}` works at once."


def how_to_configure(provider: Provider) -> str:
    """Advice on how to add a credential for a provider."""
    if provider.kind == "login" or not provider.key_env:
        return f"run `smart-router login {provider.id}`"
    return f"set {provider.key_env[0]}"
