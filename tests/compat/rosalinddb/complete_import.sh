curl -s -X POST \
http://localhost:8080/v1/datasets/products/imports/imp_a1b2c3.../complete \
-H "Authorization: Bearer $RB_API_KEY"
