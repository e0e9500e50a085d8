"""The dialect of Sanity: embeddings indexes over documents, the documents themselves, and webhooks."""
