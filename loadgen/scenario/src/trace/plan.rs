//! The plan of a replay: everything that must exist before it starts, and every invoice in the order of the replay.
//! Data only: the planner makes it. It must not know how it is replayed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::reason::Reason;
use super::speed::Speed;

/// A whole replay. `orders + cancellations + skipped = invoices`, always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracePlan {
    /// The products to create: one per pair of code and price, because one code is sold at several prices.
    pub products: Vec<PlannedProduct>,
    /// The customers to create. A customer without a code is a guest who orders once.
    pub customers: Vec<PlannedCustomer>,
    /// The invoices to replay, ordered by `at`.
    pub journeys: Vec<PlannedJourney>,
    /// The recorded time from an order to its payment.
    pub pay_after: Duration,
    /// The number of different invoices in the export.
    pub invoices: u64,
    /// The number of invoices that can't be replayed, by reason.
    pub skipped: BTreeMap<Reason, u64>,
    /// The export's lines, by what happens to them.
    pub lines: LineCounts,
    /// What the reader of the replay should know of the export, such as its repeated lines.
    pub notes: Vec<String>,
}

/// A product to create with its stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedProduct {
    /// The shop's code; not unique here.
    pub code: String,
    /// The first description found under this code and price, else the code.
    pub name: String,
    /// The price of one piece in cents; at least 1, at most 10^12.
    pub price_cents: i64,
    /// Pieces ordered in the whole plan, so that no order can be out of stock.
    pub stock: u64,
}

/// A customer to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCustomer {
    /// The shop's code; `None` is a guest.
    pub code: Option<String>,
    /// A name made from the code or the guest's invoice.
    pub name: String,
    /// An invented address in a domain reserved for examples, unique in the plan. Never from the export, so that no
    /// real person gets mail.
    pub email: String,
}

/// One invoice to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedJourney {
    /// Recorded time since the first planned invoice, spread by the seed within the invoice's minute.
    pub at: Duration,
    /// The invoice's id in the export.
    pub invoice: String,
    /// What it does.
    pub kind: JourneyKind,
}

/// What an invoice does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JourneyKind {
    /// Fills a cart, orders and pays it.
    Order(PlannedOrder),
    /// Deletes the last order of a customer that is not shipped when the cancellation is due. The plan has an earlier
    /// order of that customer; only the replay shows whether it is still unshipped.
    Cancellation {
        /// Index into [`TracePlan::customers`].
        customer: usize,
    },
}

/// A cart to order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedOrder {
    /// Index into [`TracePlan::customers`].
    pub customer: usize,
    /// Index into [`TracePlan::products`] and pieces, each product once, in the invoice's order.
    pub lines: Vec<(usize, u32)>,
    /// Pieces of all lines; at least 1, at most the mapping's `cart_pieces_max`.
    pub pieces: u32,
    /// The amount to pay: the sum of the pieces' prices.
    pub amount_cents: i64,
}

impl PlannedOrder {
    /// The cart's content as a list: a product's index once per piece.
    pub fn product_indexes(&self) -> impl Iterator<Item = usize> + '_ {
        let piece = |&(product, pieces): &(usize, u32)| {
            std::iter::repeat_n(product, usize::try_from(pieces).unwrap_or(usize::MAX))
        };
        self.lines.iter().flat_map(piece)
    }
}

/// The lines of the export by what happens to them. `ordered + cancelled + left_out = total`, always.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Lines below the header.
    pub total: u64,
    /// Lines of planned orders.
    pub ordered: u64,
    /// Lines of planned cancellations.
    pub cancelled: u64,
    /// Lines that are not replayed, by their own reason or their invoice's.
    pub left_out: BTreeMap<Reason, u64>,
}

impl TracePlan {
    /// Planned orders.
    pub fn orders(&self) -> impl Iterator<Item = &PlannedOrder> {
        self.journeys
            .iter()
            .filter_map(|journey| match &journey.kind {
                JourneyKind::Order(order) => Some(order),
                JourneyKind::Cancellation { .. } => None,
            })
    }

    /// How many cancellations are planned.
    pub fn cancellations(&self) -> usize {
        self.journeys.len() - self.orders().count()
    }

    /// Each journey's start, counted from the replay's start: `at / speed`, in the order of `journeys`.
    pub fn offsets(&self, speed: Speed) -> impl Iterator<Item = Duration> + '_ {
        self.journeys
            .iter()
            .map(move |journey| speed.scale(journey.at))
    }

    /// Recorded time until the last invoice is ordered and paid, or cancelled.
    pub fn length(&self) -> Duration {
        let end = |journey: &PlannedJourney| match journey.kind {
            JourneyKind::Order(_) => journey.at + self.pay_after,
            JourneyKind::Cancellation { .. } => journey.at,
        };
        self.journeys.iter().map(end).max().unwrap_or_default()
    }

    /// [`length`](Self::length) at a speed: how long the replay takes if the target keeps up.
    pub fn length_at(&self, speed: Speed) -> Duration {
        speed.scale(self.length())
    }
}
