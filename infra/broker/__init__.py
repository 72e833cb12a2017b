"""The embedded durable broker, with Knative's Broker and Trigger semantics. `broker.Broker` ties it together."""
