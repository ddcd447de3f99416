"""What a collection is in Milvus: the connection, the schema of its rows, how they are written and read."""
