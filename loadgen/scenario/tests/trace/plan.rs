//! The plan of a replay from small exports written out here, by its public interface.

use std::collections::BTreeMap;
use std::time::Duration;

use loadgen_scenario::trace::{JourneyKind, PlannedOrder, Reason, Speed, TraceConfig, TracePlan};

const HEADER: &str = "invoice,time,customer,product,description,quantity,unit_price\n";
const COLUMNS: &str = r#"
    [columns]
    invoice = "invoice"
    time = "time"
    customer = "customer"
    product = "product"
    description = "description"
    quantity = "quantity"
    unit_price = "unit_price"
"#;
/// An order that always counts, for cancellations to refer to.
const ORDER: &str = "1,2010-12-01T08:00,ann,A,LAMP,2,2.55\n";

fn config(settings: &str) -> TraceConfig {
    toml::from_str(&format!("{settings}\n{COLUMNS}")).unwrap()
}

fn plan_with(settings: &str, csv: &[u8], seed: u64) -> TracePlan {
    let plan = TracePlan::from_reader(csv, &config(settings), seed).unwrap();
    check_accounts(&plan);
    plan
}

fn plan(rows: &str) -> TracePlan {
    plan_with("", format!("{HEADER}{rows}").as_bytes(), 1)
}

/// Asserts what holds for every plan, whatever the export.
fn check_accounts(plan: &TracePlan) {
    let count = |n: usize| u64::try_from(n).unwrap();
    let orders = count(plan.orders().count());
    let skipped: u64 = plan.skipped.values().sum();
    assert_eq!(
        orders + count(plan.cancellations()) + skipped,
        plan.invoices
    );
    let lines = &plan.lines;
    let left_out: u64 = lines.left_out.values().sum();
    assert_eq!(lines.ordered + lines.cancelled + left_out, lines.total);
    assert!(plan.journeys.is_sorted_by_key(|journey| journey.at));

    let mut stock = vec![0; plan.products.len()];
    for order in plan.orders() {
        let prices = order
            .product_indexes()
            .map(|p| plan.products[p].price_cents);
        assert_eq!(prices.sum::<i64>(), order.amount_cents);
        assert_eq!(
            order.product_indexes().count(),
            usize::try_from(order.pieces).unwrap()
        );
        assert!(order.pieces > 0);
        order.product_indexes().for_each(|p| stock[p] += 1);
    }
    for (product, ordered) in plan.products.iter().zip(stock) {
        assert_eq!(product.stock, ordered, "{product:?}");
        assert!(product.price_cents > 0);
    }
}

fn only_order(plan: &TracePlan) -> &PlannedOrder {
    let mut orders = plan.orders();
    let order = orders.next().unwrap();
    assert!(orders.next().is_none());
    order
}

#[test]
fn a_line_that_cannot_be_ordered_is_counted_by_its_reason_and_the_rest_of_the_invoice_stays() {
    let cases: [(&[u8], Reason); 13] = [
        (b"1,2010-12-01T08:00,ann,B,MUG,1", Reason::WrongFieldCount),
        (
            b"1,2010-12-01T08:00,ann,B,MUG,1,1.00,x",
            Reason::WrongFieldCount,
        ),
        (
            b"1,2010-12-01T08:00,ann,\xff,MUG,1,1.00",
            Reason::InvalidUtf8,
        ),
        (b"1,2010-12-01T08:00,\xff,B,MUG,1,1.00", Reason::InvalidUtf8),
        (b",2010-12-01T08:00,ann,B,MUG,1,1.00", Reason::NoInvoice),
        (
            b"1,2010-12-32T08:00,ann,B,MUG,1,1.00",
            Reason::UnreadableTime,
        ),
        (b"1,2010-12-01T08:00,ann, ,MUG,1,1.00", Reason::NoProduct),
        (
            b"1,2010-12-01T08:00,ann,B,MUG,one,1.00",
            Reason::UnreadableQuantity,
        ),
        (
            b"1,2010-12-01T08:00,ann,B,MUG,1,free",
            Reason::UnreadablePrice,
        ),
        (
            b"1,2010-12-01T08:00,ann,B,MUG,-1,1.00",
            Reason::NegativeQuantity,
        ),
        (b"1,2010-12-01T08:00,ann,B,MUG,0,1.00", Reason::ZeroQuantity),
        (
            b"1,2010-12-01T08:00,ann,B,MUG,1,-1.00",
            Reason::NegativePrice,
        ),
        (b"1,2010-12-01T08:00,ann,B,MUG,1,0.004", Reason::ZeroPrice),
    ];

    for (row, reason) in cases {
        let csv = [HEADER.as_bytes(), row, b"\n", ORDER.as_bytes()].concat();
        let plan = plan_with("", &csv, 1);
        assert_eq!(
            plan.lines.left_out,
            BTreeMap::from([(reason, 1)]),
            "{reason}"
        );
        assert_eq!((plan.lines.total, plan.lines.ordered), (2, 1), "{reason}");
        assert_eq!(only_order(&plan).amount_cents, 510, "{reason}");
        assert!(plan.skipped.is_empty(), "{reason}");
    }
}

#[test]
fn an_invoice_without_a_usable_line_is_skipped_by_what_its_lines_fell_for() {
    let cases = [
        (
            "2,yesterday,ann,A,LAMP,1,1.00\n",
            "",
            Reason::UnreadableTime,
        ),
        (
            "2,2010-12-01T08:00,ann,A,LAMP,1,0\n2,2010-12-01T08:00,ann,B,MUG,3,0.0\n",
            "",
            Reason::ZeroPrice,
        ),
        (
            "2,2010-12-01T08:00,ann,A,LAMP,1,0\n2,2010-12-01T08:00,ann,B,MUG,0,1\n",
            "",
            Reason::SeveralReasons,
        ),
        (
            "C2,yesterday,ann,A,LAMP,-1,1.00\n",
            "",
            Reason::UnreadableTime,
        ),
        (
            "2,2010-12-01T08:00,ann,A,LAMP,2,1\n2,2010-12-01T08:00,ann,B,MUG,2,1\n",
            "cart_pieces_max = 3",
            Reason::TooManyPieces,
        ),
        (
            "2,2010-12-01T08:00,ann,A,LAMP,100000,10000000000\n",
            "",
            Reason::AmountTooLarge,
        ),
        (
            "2,2010-12-01T08:00,ann,A,LAMP,9000000000000000000,1\n2,2010-12-01T08:00,ann,A,LAMP,9000000000000000000,1\n2,2010-12-01T08:00,ann,A,LAMP,9000000000000000000,1\n",
            "",
            Reason::TooManyPieces,
        ),
        (
            "C2,2010-12-01T09:00,,A,LAMP,-1,1.00\n",
            "",
            Reason::NoMatchingOrder,
        ),
        (
            "C2,2010-12-01T09:00,bob,A,LAMP,-1,1.00\n",
            "",
            Reason::NoMatchingOrder,
        ),
        (
            "C2,2010-12-01T07:59,ann,A,LAMP,-1,1.00\n",
            "",
            Reason::NoMatchingOrder,
        ),
        (
            "2,2010-12-01T08:00,bob,A,LAMP,1,0\nC3,2010-12-01T09:00,bob,A,LAMP,-1,1.00\nC3,2010-12-01T09:00,bob,A,LAMP,-1,1.00\n",
            "",
            Reason::NoMatchingOrder,
        ),
    ];

    for (rows, settings, reason) in cases {
        let csv = format!("{HEADER}{ORDER}{rows}");
        let plan = plan_with(settings, csv.as_bytes(), 1);
        assert_eq!(
            plan.skipped.get(&reason),
            Some(&1),
            "{rows}{:?}",
            plan.skipped
        );
        assert_eq!(only_order(&plan).amount_cents, 510, "{rows}");
        assert_eq!(
            plan.products.len(),
            1,
            "nothing is created for a skipped invoice: {rows}"
        );
        assert_eq!(plan.customers.len(), 1, "{rows}");
    }
}

#[test]
fn a_cancellation_after_an_order_of_its_customer_is_planned_whatever_its_lines_say() {
    let plan = plan(&format!(
        "{ORDER}C2,2010-12-01T08:09,ann,A,LAMP,-2,2.55\nC2,2010-12-01T08:09,ann,D,Discount,?,\n"
    ));

    let cancellation = &plan.journeys[1];
    assert_eq!(cancellation.invoice, "C2");
    assert_eq!(cancellation.kind, JourneyKind::Cancellation { customer: 0 });
    assert_eq!(cancellation.at.as_secs() / 60, 9, "it keeps its own time");
    assert_eq!(plan.lines.cancelled, 2);
}

#[test]
fn a_cancellation_in_the_minute_of_its_order_never_overtakes_it() {
    let csv = format!("{HEADER}{ORDER}C2,2010-12-01T08:00,ann,A,LAMP,-2,2.55\n");

    for seed in 0..100 {
        let plan = plan_with("", csv.as_bytes(), seed);
        assert_eq!(plan.cancellations(), 1, "seed {seed}");
        assert_eq!(plan.journeys[1].invoice, "C2", "seed {seed}");
    }
}

#[test]
fn scattered_rows_of_an_invoice_are_one_order_at_the_first_rows_time() {
    let plan = plan(
        "1,2010-12-01T08:05,ann,A,LAMP,2,2.55\n\
         2,2010-12-01T08:00,bob,A,LAMP,1,2.55\n\
         1,2010-12-01T08:30,ann,B,MUG,1,1.15\n\
         1,2010-12-01T08:05,ann,A,LAMP,3,2.55\n",
    );

    let first = &plan.journeys[0];
    let second = &plan.journeys[1];
    assert_eq!(
        (first.invoice.as_str(), second.invoice.as_str()),
        ("2", "1")
    );
    assert_eq!(second.at.as_secs() / 60, 5);
    let JourneyKind::Order(order) = &second.kind else {
        panic!("{second:?} should be an order");
    };
    assert_eq!(
        order.lines,
        [(0, 5), (1, 1)],
        "one product on two lines adds up"
    );
    assert_eq!((order.pieces, order.amount_cents), (6, 5 * 255 + 115));
}

#[test]
fn one_code_at_two_prices_is_two_products() {
    let plan = plan(
        "1,2010-12-01T08:00,ann,A,,2,2.55\n\
         1,2010-12-01T08:00,ann,A,,1,2.10\n\
         2,2010-12-01T08:01,bob,A,LAMP,4,2.550\n",
    );

    let products = plan.products.iter();
    let products: Vec<_> = products
        .map(|p| (p.code.as_str(), p.name.as_str(), p.price_cents, p.stock))
        .collect();
    assert_eq!(products, [("A", "LAMP", 255, 6), ("A", "A", 210, 1)]);
}

#[test]
fn every_invoice_without_a_customer_has_a_guest_of_its_own() {
    let plan = plan(
        "1,2010-12-01T08:00,,A,LAMP,1,1\n\
         2,2010-12-01T08:01,,A,LAMP,1,1\n\
         3,2010-12-01T08:02,ann,A,LAMP,1,1\n\
         4,2010-12-01T08:03,ann,A,LAMP,1,1\n",
    );

    let customers: Vec<usize> = plan.orders().map(|order| order.customer).collect();
    assert_eq!(customers, [0, 1, 2, 2]);
    let codes: Vec<_> = plan.customers.iter().map(|c| c.code.as_deref()).collect();
    assert_eq!(codes, [None, None, Some("ann")]);
    assert_eq!(plan.customers[1].name, "Guest of invoice 2");
    assert_eq!(plan.customers[2].email, "trace-3@example.com");
}

#[test]
fn the_seed_decides_where_in_its_minute_an_invoice_is_placed_and_nothing_else() {
    let rows = (0..50)
        .map(|i| format!("{i},2010-12-01T08:{:02},,A,LAMP,1,1\n", i / 5))
        .collect::<String>();
    let csv = format!("{HEADER}{rows}");
    let plan = |seed| plan_with("", csv.as_bytes(), seed);

    let (first, again, other) = (plan(7), plan(7), plan(8));

    assert_eq!(first, again);
    let times = |plan: &TracePlan| plan.journeys.iter().map(|j| j.at).collect::<Vec<_>>();
    assert_ne!(times(&first), times(&other));
    for (i, (journey, otherwise)) in first.journeys.iter().zip(&other.journeys).enumerate() {
        assert_eq!(journey.at.as_secs() / 60, u64::try_from(i).unwrap() / 5);
        assert_eq!(
            (&journey.invoice, &journey.kind),
            (&otherwise.invoice, &otherwise.kind)
        );
    }
}

#[test]
fn the_replay_starts_with_the_first_invoice_that_is_played() {
    let rows = "C1,2009-01-01T00:00,zoe,A,LAMP,-1,1\n\
                2,1999-01-01T00:00,zoe,A,LAMP,0,1\n\
                3,2010-12-01T08:00,ann,A,LAMP,1,1\n\
                4,2010-12-01T10:00,ann,A,LAMP,1,1\n";
    let plan = plan_with("spread = \"0s\"", format!("{HEADER}{rows}").as_bytes(), 1);

    let speed = Speed::new(7200.0).unwrap();
    let offsets: Vec<Duration> = plan.offsets(speed).collect();
    assert_eq!(offsets, [Duration::ZERO, Duration::from_secs(1)]);
    assert_eq!(plan.length(), Duration::from_secs(2 * 3600 + 30 * 60));
    assert_eq!(plan.length_at(speed), Duration::from_millis(1250));
}

#[test]
fn an_odd_byte_in_a_description_does_not_cost_the_line() {
    let csv = [
        HEADER.as_bytes(),
        b"1,2010-12-01T08:00,ann,A,\xa35 LAMP,1,5\n",
    ]
    .concat();

    let plan = plan_with("", &csv, 1);

    assert_eq!(plan.products[0].name, "\u{fffd}5 LAMP");
}

#[test]
fn a_stray_quote_is_refused_with_its_line_or_read_as_text_without_quoting() {
    let rows = "1,2010-12-01T08:00,ann,A,LAMP,1,5\n2,2010-12-01T08:00,ann,A,\"LAMP,1,5\n3,2010-12-01T08:00,ann,A,LAMP,1,5\n";
    let csv = format!("{HEADER}{rows}");

    let quoted = TracePlan::from_reader(csv.as_bytes(), &config(""), 1).unwrap_err();
    let unquoted = plan_with("quoting = false", csv.as_bytes(), 1);

    let quoted = quoted.to_string();
    assert!(quoted.contains("line 3 opens a quote"), "{quoted}");
    assert_eq!(unquoted.invoices, 3);
}

#[test]
fn an_empty_prefix_means_that_nothing_is_a_cancellation() {
    let rows = "C1,2010-12-01T08:00,ann,A,LAMP,1,5\n";

    let plan = plan_with(
        "cancellation_prefix = \"\"",
        format!("{HEADER}{rows}").as_bytes(),
        1,
    );

    assert_eq!(only_order(&plan).amount_cents, 500);
}

#[test]
fn a_customer_named_only_in_a_later_row_is_the_invoices_customer() {
    let plan = plan("1,2010-12-01T08:00,,A,LAMP,1,1\n1,2010-12-01T08:00,ann,B,MUG,1,1\n");

    assert_eq!(plan.customers[0].code.as_deref(), Some("ann"));
    assert_eq!(only_order(&plan).customer, 0);
}
