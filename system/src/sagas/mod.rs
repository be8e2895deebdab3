//! The sagas: what events in one topic make happen in another. Each is a consumer group of its service; each reaction is the
//! domain's, each effect idempotent, so that a repeat does nothing.

mod append;
mod buyers;
mod crm;
mod inventory;
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
