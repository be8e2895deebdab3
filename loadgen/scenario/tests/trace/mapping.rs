//! The mapping of a shop's export: what it accepts, and what is refused with a hint to what is allowed.

use std::time::Duration;

use loadgen_scenario::trace::{TraceConfig, TraceError, TracePlan};

const HEADER: &str = "invoice,time,customer,product,description,quantity,unit_price\n";
const ROW: &str = "1,2010-12-01T08:00,ann,A,LAMP,2,2.55\n";
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

fn config(settings: &str) -> TraceConfig {
    toml::from_str(&format!("{settings}\n{COLUMNS}")).unwrap()
}

#[test]
fn another_shops_export_fits_by_mapping_alone() {
    let config: TraceConfig = toml::from_str(
        r#"
        time_format = "%-d.%-m.%Y %-H:%M:%S"
        delimiter = ";"
        decimal_separator = ","
        cancellation_prefix = "ST-"
        money_scale = 1000
        pay_after = "2h"
        [columns]
        invoice = "Beleg Nr."
        time = "Datum"
        customer = "Kunde"
        product = "Artikel"
        quantity = "Menge"
        unit_price = "Preis"
        "#,
    )
    .unwrap();
    let csv = "\u{feff}Datum;Lager; Beleg Nr. ;Kunde;Artikel;Menge;Preis\r\n\
               1.12.2010 8:26:30;Bonn;RE-1;7;T-1;2,0;2,5555\r\n\
               1.12.2010 8:27:30;\"Bonn;\nNord\";ST-2;7;T-1;-2;2,5555\r\n";

    let plan = TracePlan::from_reader(csv.as_bytes(), &config, 1).unwrap();

    assert_eq!(plan.orders().next().unwrap().amount_cents, 2 * 2556);
    assert_eq!(plan.products[0].name, "T-1");
    assert_eq!(plan.cancellations(), 1);
    assert_eq!(
        plan.journeys[1].at.as_secs(),
        60,
        "spread within its second only"
    );
    assert_eq!(plan.pay_after, Duration::from_secs(7200));
}

#[test]
fn an_export_that_lacks_what_the_mapping_names_is_refused_with_what_it_has() {
    let read = |csv: &str, settings: &str| {
        let error = TracePlan::from_reader(csv.as_bytes(), &config(settings), 1).unwrap_err();
        error.to_string()
    };
    let header = HEADER.trim();

    let missing = read(
        "invoice,time,customer,product,description,quantity,price\n",
        "",
    );
    assert_eq!(
        missing,
        "the trace has no column `unit_price`, which [trace.columns] names as `unit_price`; its header has: \
         invoice, time, customer, product, description, quantity, price"
    );
    let twice = read(&format!("{header},time\n"), "");
    assert!(twice.contains("2 columns `time`"), "{twice}");
    let empty = read("", "");
    assert!(empty.contains("empty"), "{empty}");
    let long = read(&format!("{HEADER}{ROW}{ROW}"), "rows_max = 1");
    assert!(long.contains("more than 1 rows"), "{long}");
    let absent = TracePlan::from_file("no/such/trace.csv".as_ref(), &config(""), 1);
    assert!(matches!(absent, Err(TraceError::Open { .. })));
}

#[test]
fn a_mapping_with_a_bad_key_or_value_is_refused_with_what_is_allowed() {
    let cases = [
        ("tme_format = \"epoch\"", "time_format"),
        ("time_format = \"%H:%M\"", "year"),
        ("delimiter = \"::\"", "one ASCII character"),
        ("decimal_separator = \"'\"", "`.`"),
        ("pay_after = \"soon\"", "`30m`"),
        ("money_scale = 0", "nonzero"),
        ("cart_pieces_max = 0", "nonzero"),
    ];

    for (settings, allowed) in cases {
        let error = toml::from_str::<TraceConfig>(&format!("{settings}\n{COLUMNS}")).unwrap_err();
        assert!(error.to_string().contains(allowed), "{error}");
    }
    let error = toml::from_str::<TraceConfig>("[columns]\ninvoice = \"i\"\n").unwrap_err();
    assert!(error.to_string().contains("missing field"), "{error}");
}

#[test]
fn every_default_written_out_is_the_default() {
    let settings = r#"
        time_format = "%Y-%m-%dT%H:%M"
        cancellation_prefix = "C"
        money_scale = 100
        decimal_separator = "."
        delimiter = ","
        quoting = true
        pay_after = "30m"
        cart_pieces_max = 100000
        rows_max = 10000000
    "#;

    let written = config(settings);

    assert_eq!(written, TraceConfig::new(written.columns.clone()));
    assert_eq!(written, config(""));
}
