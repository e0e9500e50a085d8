$ curl \
-X POST \
-H 'Content-Type: application/json' \
-d '{"model": "image", "action": "POINT_ALIAS", "index_suffix": "20231106", "alias": "image-filtered"}' \
http://localhost:8001/task
