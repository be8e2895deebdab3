//! OrderShop, as the engine knows a system: by its traits.

/// Answers what the engine asks of a system.
#[derive(Debug, Clone, Copy)]
pub struct OrderShop;
