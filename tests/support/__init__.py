"""What several tests use: servers, builders, tables. Nothing here is a test."""
