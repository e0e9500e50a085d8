$ curl \
-X POST \
-H 'Content-Type: application/json' \
-d '{"model": "image", "action": "REINDEX", "index_suffix": "20231106"}' \
http://localhost:8001/task
