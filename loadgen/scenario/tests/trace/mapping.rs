//! The mapping of a shop's export: what it accepts, and what is refused with a hint to what is allowed.

use std::time::Duration;

use loadgen_scenario::trace::{Reason, TraceConfig, TraceError, TracePlan};

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
        ("left_out_pct_max = 101", "0 to 100"),
        ("repeats = \"twice\"", "leave_out"),
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
        repeats = "order"
        left_out_pct_max = 5
        rows_max = 10000000
    "#;

    let written = config(settings);

    assert_eq!(written, TraceConfig::new(written.columns.clone()));
    assert_eq!(written, config(""));
}

#[test]
fn rows_that_leave_the_invoices_own_columns_empty_belong_to_it() {
    let rows = ",,,x,y,1,1.00\n7,,,B,MUG,1,0.95\n7,2010-12-01T08:00,ann,A,LAMP,2,2.55\n7, ,,C,CUP,1,1.00\n8,,bob,A,LAMP,1,2.55\n";
    let csv = format!("{HEADER}{rows}");

    let plan = TracePlan::from_reader(csv.as_bytes(), &config(""), 1).unwrap();

    assert_eq!(plan.lines.ordered, 3);
    let order = plan.orders().next().unwrap();
    assert_eq!((order.pieces, order.amount_cents), (4, 705));
    assert_eq!(plan.customers[0].code.as_deref(), Some("ann"));
    assert_eq!(plan.skipped.get(&Reason::NoTime), Some(&1));
    let left_out = [(Reason::NoInvoice, 1), (Reason::NoTime, 1)];
    assert_eq!(plan.lines.left_out, left_out.into());
}

#[test]
fn without_a_column_for_the_quantity_each_row_is_a_piece() {
    let columns = COLUMNS.replace("quantity = \"quantity\"", "");
    let config: TraceConfig = toml::from_str(&columns).unwrap();
    let csv = format!("{HEADER}{ROW}{ROW}");

    let plan = TracePlan::from_reader(csv.as_bytes(), &config, 1).unwrap();

    let order = plan.orders().next().unwrap();
    assert_eq!((order.pieces, plan.lines.ordered), (2, 2));
    assert!(plan.notes.is_empty(), "{:?}", plan.notes);
}

#[test]
fn rows_that_repeat_another_are_told_and_left_out_where_that_is_wanted() {
    let csv = format!("{HEADER}{ROW}{ROW}{}", ROW.replace(",2,", ",3,"));
    for (settings, pieces, left_out) in [("", 7, 0), ("repeats = \"leave_out\"", 5, 1)] {
        let plan = TracePlan::from_reader(csv.as_bytes(), &config(settings), 1).unwrap();
        assert_eq!(plan.orders().next().unwrap().pieces, pieces);
        assert_eq!(plan.lines.left_out.values().sum::<u64>(), left_out);
        assert!(plan.notes[0].starts_with("1 lines of the trace repeat"));
    }
}

#[test]
fn an_export_is_read_in_the_encoding_that_it_was_written_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.csv");
    let text = format!("{HEADER}{}", ROW.replace("LAMP", "LÄMPCHEN"));
    let utf_16: Vec<u8> = ("\u{feff}".to_owned() + &text)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let latin: Vec<u8> = text
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    for (bytes, guessed) in [
        (text.clone().into_bytes(), false),
        (utf_16, false),
        (latin, true),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let plan = TracePlan::from_file(&path, &config(""), 1).unwrap();
        assert_eq!(plan.products[0].name, "LÄMPCHEN");
        let told = plan.notes.iter().any(|note| note.contains("windows-1252"));
        assert_eq!(told, guessed);
    }
}
