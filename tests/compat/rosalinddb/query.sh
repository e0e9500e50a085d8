curl -s -X POST http://localhost:8080/v1/query \
-H "Authorization: Bearer $RB_API_KEY" \
-H "Content-Type: application/json" \
-d '{"dataset":"products","vector":[0.1,0.2,0.3,0.4],"top_k":2}'
