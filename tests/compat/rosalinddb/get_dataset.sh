curl -s http://localhost:8080/v1/datasets/products \
-H "Authorization: Bearer $RB_API_KEY"
