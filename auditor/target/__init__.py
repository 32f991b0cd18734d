"""Models under audit: preprocessing, batching, runtimes, and the target that binds them."""
