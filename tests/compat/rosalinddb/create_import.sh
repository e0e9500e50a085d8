curl -s -X POST http://localhost:8080/v1/datasets/products/imports \
-H "Authorization: Bearer $RB_API_KEY" \
-H "Content-Type: application/json" \
-d '{"format":"ndjson","error_mode":"continue","max_bad_records":100}'
