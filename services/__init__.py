"""The services, one package each. No service imports another: they meet on Kafka only."""
