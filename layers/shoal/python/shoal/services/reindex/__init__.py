"""Reindexes: a collection is embedded anew by another model, while it is searched and written to.

A reindex is an import of its destination (`services.imports`), open in the destination's log from before the
version of the source is taken that it embeds. Before either comes the pair in the item of the family: from then on
whoever does the line writes what goes to the source to the destination as well, and there it is newer than what
the import brings. So nothing is lost and nothing is there twice, whenever it was written.

In order, each step idempotent, and gone on with by `reconcile` wherever somebody died:

1. the task is stored, and waits (`starting`)
2. the destination is made, and the pair is put (`beginning`)
3. the import is created, opened in the log, and its workflow started (`launching`)
4. the workflow embeds, settles, builds and commits (`plan`, `embed`, then the steps of imports)
5. the pair goes, blue moves if asked, the task is done: one transaction, between two tasks (`deploying`)

One that fails or is cancelled ends in `ending`.
"""
