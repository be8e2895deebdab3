//! The contracts of the first OrderShop, for services that were written for it.
