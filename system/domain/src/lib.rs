//! OrderShop's domain: what the shop sells, to whom, and which changes are allowed. Pure: it knows no clock, no store, no
//! network and no JSON text. State and facts are passed in; events are returned.

mod billing;
mod cart;
mod customer;
mod inventory;
mod lifecycle;
mod limits;
mod mail;
mod order;
mod product;
mod reaction;
mod rejection;
mod reservation;
mod shipping;
mod status;

pub use billing::{Billing, BillingFacts};
pub use cart::{Cart, CartFacts, PIECES_MAX};
pub use customer::Customer;
pub use inventory::{Inventory, InventoryFacts};
pub use lifecycle::{Aggregate, Command, Event, decide, evolve};
pub use limits::{AMOUNT_MAX, TEXT_BYTES_MAX, sum};
pub use mail::{Mail, good_bye, payment_received, please_pay, shipped, welcome};
pub use order::{Order, OrderFacts};
pub use product::Product;
pub use reaction::{Trigger, order_after, order_after_reservation, ships, stock_comes_back};
pub use rejection::Rejection;
pub use reservation::{
    Reservation, ReservationChange, ReservationOutcome, ReservedLine, release, reserve,
};
pub use shipping::{Shipping, ShippingFacts};
pub use status::OrderStatus;
