//! The plan of a real shop's export, which is not in the repository.

use std::path::Path;
use std::time::Duration;

use loadgen_scenario::trace::{JourneyKind, Speed, TraceConfig, TracePlan};

const MAPPING: &str = r#"
    [columns]
    invoice = "invoice"
    time = "time"
    customer = "customer"
    product = "product"
    description = "description"
    quantity = "quantity"
    unit_price = "unit_price"
"#;

#[test]
#[ignore = "needs the first five days of the Online Retail data set: ORDERSHOP_TRACE names the file"]
fn every_invoice_of_five_real_days_is_accounted_for() {
    let path = std::env::var_os("ORDERSHOP_TRACE").expect("ORDERSHOP_TRACE");
    let config: TraceConfig = toml::from_str(MAPPING).unwrap();
    let speed = Speed::new(7200.0).unwrap();

    let plan = TracePlan::from_file(Path::new(&path), &config, 1).unwrap();

    let biggest = plan.orders().map(|order| order.pieces).max().unwrap();
    let pieces: u64 = plan.products.iter().map(|product| product.stock).sum();
    eprintln!(
        "{} invoices: {} orders, {} cancellations, skipped {:?}\nlines {:?}\n{} products, {} customers ({} guests), \
         {pieces} pieces, biggest cart {biggest}, {:?} at speed 7200",
        plan.invoices,
        plan.orders().count(),
        plan.cancellations(),
        plan.skipped,
        plan.lines,
        plan.products.len(),
        plan.customers.len(),
        plan.customers.iter().filter(|c| c.code.is_none()).count(),
        plan.length_at(speed),
    );
    let skipped = usize::try_from(plan.skipped.values().sum::<u64>()).unwrap();
    assert_eq!(plan.orders().count() + plan.cancellations() + skipped, 512);
    assert_eq!(plan.invoices, 512);
    let left_out: u64 = plan.lines.left_out.values().sum();
    assert_eq!(plan.lines.ordered + plan.lines.cancelled + left_out, 10_000);
    assert_eq!(biggest, 4_280);
    assert!(plan.length_at(speed) < Duration::from_secs(60));
    assert!(
        finds_unshipped(&plan) > 0,
        "pay_after leaves some order unshipped when it is cancelled"
    );
}

/// Cancellations whose customer has an order that is not yet due to be paid.
fn finds_unshipped(plan: &TracePlan) -> usize {
    let mut last_order_at = vec![None; plan.customers.len()];
    let mut found = 0;
    for journey in &plan.journeys {
        match &journey.kind {
            JourneyKind::Order(order) => last_order_at[order.customer] = Some(journey.at),
            JourneyKind::Cancellation { customer } => {
                let unpaid = |at: Duration| journey.at < at + plan.pay_after;
                found += usize::from(last_order_at[*customer].is_some_and(unpaid));
            }
        }
    }
    eprintln!("{found} cancellations come before their customer's last order is paid");
    found
}
