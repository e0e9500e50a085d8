$ curl \
-X POST \
-H 'Content-Type: application/json' \
-d '{"model": "image", "action": "CREATE_AND_POPULATE_FILTERED_INDEX", "destination_index_suffix": "20231106"}' \
http://localhost:8001/task
