//! `order_histories`: every order made only legal transitions and has the status that its stock, billings and shippings require. An order
//! whose next event is missing is stuck and is found here.

use super::super::history::{History, OrderRecord, Status};
use loadgen_report::audit::CheckReport;

/// Checks every order.
pub fn order_histories(history: &History) -> CheckReport {
    let mut report = CheckReport::new("order_histories", "orders");
    let judged = history
        .orders
        .iter()
        .filter(|(_, order)| order.began_us >= history.since_us);
    for (id, order) in judged {
        let fault = order
            .fault
            .as_ref()
            .map(|fault| format!("illegal: {fault}"));
        report.look(id, fault.or_else(|| stuck(history, id, order)));
    }
    report
}

/// Why the order can't keep its status.
fn stuck(history: &History, id: &str, order: &OrderRecord) -> Option<String> {
    if order.deleted {
        return None;
    }
    let status = order.status?;
    let billed = history.paid.get(id).is_some_and(|paid| paid.billings > 0);
    let shipment = history.shipments.get(id);
    let delivered = shipment.is_some_and(|shipment| shipment.delivered);
    let why = match status {
        Status::Created => "its stock was neither reserved nor refused",
        Status::OutOfStock if billed => "it has no stock, and its payment was not returned",
        Status::InStock | Status::Uncleared if billed => "it has a billing",
        Status::Cleared if shipment.is_some_and(|shipment| shipment.living > 0) => {
            "it has a shipping"
        }
        Status::Cleared => "it has no shipping",
        Status::Shipped if delivered => "its shipping was delivered",
        _ => return None,
    };
    Some(format!("stuck in {status}: {why}"))
}
