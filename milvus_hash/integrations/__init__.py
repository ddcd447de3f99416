"""The encoder and the collection in the shapes that other libraries expect: pymilvus.model, LangChain."""
