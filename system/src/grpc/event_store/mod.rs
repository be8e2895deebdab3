//! The event store over our own contract.
