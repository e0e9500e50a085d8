curl -s -X POST http://localhost:8080/v1/datasets \
-H "Authorization: Bearer $RB_API_KEY" \
-H "Content-Type: application/json" \
-d '{"name":"products","dimension":4}'
