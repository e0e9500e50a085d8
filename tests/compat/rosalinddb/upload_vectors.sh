curl -s -X POST http://localhost:8080/v1/datasets/products/vectors \
-H "Authorization: Bearer $RB_API_KEY" \
-H "Content-Type: application/x-ndjson" \
--data-binary @vectors.jsonl
