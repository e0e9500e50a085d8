"""Every route of the native dialect."""

from shoal.http.native import (
    aliases,
    compaction,
    datasets,
    deletes,
    derivations,
    exports,
    health,
    imports,
    jobs,
    keys,
    models,
    patches,
    reads,
    snapshots,
    term_lists,
    usage,
    vectors,
    webhooks,
)
from shoal.http.router import Route

ROUTES: tuple[Route, ...] = (
    *health.ROUTES,
    *datasets.ROUTES,
    *reads.ROUTES,  # before the greedy paths of `vectors`: POST .../vectors/fetch is not an id
    *vectors.ROUTES,
    *deletes.ROUTES,
    *patches.ROUTES,
    *imports.ROUTES,
    *exports.ROUTES,
    *derivations.ROUTES,
    *compaction.ROUTES,
    *snapshots.ROUTES,
    *aliases.ROUTES,
    *term_lists.ROUTES,
    *jobs.ROUTES,
    *models.ROUTES,
    *keys.ROUTES,
    *usage.ROUTES,
    *webhooks.ROUTES,
)
