curl -s http://localhost:8080/v1/datasets/products/imports \
-H "Authorization: Bearer $RB_API_KEY"
