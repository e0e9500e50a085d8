curl -s http://localhost:8080/v1/datasets/products/imports/imp_a1b2c3... \
-H "Authorization: Bearer $RB_API_KEY"
