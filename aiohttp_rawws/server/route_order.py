"""The order in which aiohttp's router asks the resources of one path: raw ones first.

aiohttp indexes a resource when it is registered, and again when a sub-application is added under
a prefix. It keeps the resources of one index key in the order in which they were indexed.
"""

import itertools
from collections import defaultdict
from typing import TypeAlias

from aiohttp import web

__all__ = ("RouteOrder", "raw_first")

Resources: TypeAlias = list[web.AbstractResource]

#: The rank of an ordinary resource. Raw ones have lower ranks.
ORDINARY = 2


class RouteOrder:
    """Puts raw resources first as they are registered on one router."""

    def __init__(self, router: web.UrlDispatcher) -> None:
        self._router = router
        self._seen = 0
        # By index key, then by rank.
        self._known: defaultdict[str, tuple[Resources, Resources, Resources]] = defaultdict(
            lambda: ([], [], [])
        )

    def register(self, resource: web.AbstractResource) -> None:
        """Register a resource. Move those behind it that have its index key and a higher rank."""
        self._router.register_resource(resource)
        for new in filter(is_indexed, self._new(resource)):
            self._known[index_key(new)][rank(new)].append(new)
        behind = self._known[index_key(resource)][rank(resource) + 1 :]
        for other in itertools.chain(*behind):
            self._router.unindex_resource(other)
            self._router.index_resource(other)

    def _new(self, latest: web.AbstractResource) -> Resources:
        """Return the resources since the last call, ordinary ones too. `latest` is the last one."""
        seen, self._seen = self._seen, len(self._router.resources())
        # Most often that is the only one. The router's list is a slow one to walk.
        return [latest] if self._seen == seen + 1 else list(self._router.resources())[seen:]


def raw_first(router: web.UrlDispatcher) -> None:
    """Index all resources of a router anew: raw with a protocol, raw without, ordinary.

    Those of one kind keep the order of their registration.
    """
    indexed = [resource for resource in router.resources() if is_indexed(resource)]
    for resource in indexed:
        router.unindex_resource(resource)
    for resource in sorted(indexed, key=rank):
        router.index_resource(resource)


def rank(resource: web.AbstractResource) -> int:
    """Return the place of a kind of resource, the first one the lowest."""
    return getattr(resource, "raw_rank", ORDINARY)


def is_indexed(resource: web.AbstractResource) -> bool:
    """Return True unless the resource has a rule, as that of a Domain."""
    return "rule" not in resource.get_info()


def index_key(resource: web.AbstractResource) -> str:
    """Return the part of a resource's path by which aiohttp indexes it."""
    fixed, variable, _ = resource.canonical.partition("{")
    if variable:
        fixed = fixed.rpartition("/")[0]
    return fixed.rstrip("/") or "/"
