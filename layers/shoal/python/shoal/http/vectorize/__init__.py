"""The dialect of Cloudflare Vectorize v2: `/client/v4/accounts/{account_id}/vectorize/v2/indexes`."""
