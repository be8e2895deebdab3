//! The sagas: events of one topic cause changes in another. Each is a consumer group of its service; the domain decides the reactions; each
//! effect is idempotent, so that a repeat changes nothing.

mod append;
mod buyers;
mod compensation;
mod crm;
mod inventory;
mod mail;
mod memory;
mod order;
mod runner;
mod shipping;
mod stock;

pub use crm::CrmSaga;
pub use inventory::InventorySaga;
pub use order::OrderSaga;
pub use runner::start;
pub use shipping::ShippingSaga;
