"""What the edge promises, as documents made of its code: OpenAPI and AsyncAPI."""
