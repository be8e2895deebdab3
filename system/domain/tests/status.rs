//! The order's state machine against a table of all 49 pairs, written down independently of the code.

use ordershop_domain::OrderStatus::{
    self, Cleared, Created, Delivered, InStock, OutOfStock, Shipped, Uncleared,
};

/// Row: from; column: to, in the order of `COLUMNS`. `+` may follow, `.` may not.
const TABLE: [(OrderStatus, &str); 7] = [
    //            CR IN OU CL UN SH DE
    (Created, "   .  +  +  .  .  .  ."),
    (InStock, "   .  .  .  +  .  .  ."),
    (OutOfStock, ".  .  .  .  .  .  ."),
    (Cleared, "   .  .  .  .  +  +  ."),
    (Uncleared, " .  .  .  +  .  .  ."),
    (Shipped, "   .  .  .  .  .  .  +"),
    (Delivered, " .  .  .  .  .  .  ."),
];

const COLUMNS: [OrderStatus; 7] = [
    Created, InStock, OutOfStock, Cleared, Uncleared, Shipped, Delivered,
];

#[test]
fn each_of_the_49_pairs_is_as_the_table_says() {
    let mut pairs = 0;
    for (from, row) in TABLE {
        for (to, mark) in COLUMNS.into_iter().zip(row.split_whitespace()) {
            assert_eq!(from.may_become(to), mark == "+", "{from} to {to}");
            assert_eq!(from.next().contains(&to), mark == "+", "{from} to {to}");
            pairs += 1;
        }
    }
    assert_eq!(pairs, 49);
}

#[test]
fn an_order_can_be_billed_exactly_where_a_payment_is_awaited() {
    for status in COLUMNS {
        assert_eq!(
            status.can_be_billed(),
            [InStock, Uncleared].contains(&status),
            "{status}"
        );
    }
}

#[test]
fn every_status_has_one_name_in_text_and_in_json() {
    let names = [
        (Created, "CREATED"),
        (InStock, "IN_STOCK"),
        (OutOfStock, "OUT_OF_STOCK"),
        (Cleared, "CLEARED"),
        (Uncleared, "UNCLEARED"),
        (Shipped, "SHIPPED"),
        (Delivered, "DELIVERED"),
    ];
    assert_eq!(names.map(|(status, _)| status), OrderStatus::ALL);
    for (status, name) in names {
        assert_eq!(status.to_string(), name);
        let json = serde_json::to_value(status).expect("a status is a string");
        assert_eq!(json, name);
        let back: OrderStatus = serde_json::from_value(json).expect("its own name is read");
        assert_eq!(back, status);
    }
}

#[test]
fn other_names_of_a_status_are_refused() {
    for name in ["", "created", "Created", "INSTOCK", "IN STOCK", "PAID"] {
        let read = serde_json::from_value::<OrderStatus>(name.into());
        assert!(read.is_err(), "{name:?} was read as {read:?}");
    }
}
