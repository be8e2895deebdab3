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

pub use billing::{Billing, BillingFacts, OrderOfBilling};
pub use cart::{Cart, CartFacts, OrderOfCart, PIECES_MAX, PRODUCTS_MAX};
pub use customer::Customer;
pub use inventory::{Inventory, InventoryFacts};
pub use lifecycle::{Aggregate, Command, Event, decide, evolve};
pub use limits::{AMOUNT_MAX, TEXT_BYTES_MAX, sum};
pub use mail::{Mail, good_bye, payment_received, payment_returned, please_pay, shipped, welcome};
pub use order::{Order, OrderFacts, OrderLine, Purchase, VersionedCart};
pub use product::Product;
pub use reaction::{
    Trigger, is_shipped_again, order_after, order_after_reservation, payment_goes_back,
    shipping_is_withdrawn, ships, stock_comes_back,
};
pub use rejection::Rejection;
pub use reservation::{
    INVENTORIES_MAX, Reservation, ReservationChange, ReservationOutcome, ReservedLine, release,
    reserve,
};
pub use shipping::{Shipping, ShippingFacts};
pub use status::OrderStatus;
