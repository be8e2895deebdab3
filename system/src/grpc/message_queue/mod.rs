//! The message queue over our own contract.
