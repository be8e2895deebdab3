//! The values of products and customers: limits of prices and texts, and unknown fields in their JSON.

use ordershop_domain::{
    AMOUNT_MAX, Command, Customer, Event, Product, Rejection, TEXT_BYTES_MAX, decide, sum,
};

fn product(name: &str, price: u64) -> Product {
    Product {
        entity_id: "p-1".into(),
        name: name.into(),
        price,
    }
}

fn customer(name: &str, email: &str) -> Customer {
    Customer {
        entity_id: "k-1".into(),
        name: name.into(),
        email: email.into(),
    }
}

#[test]
fn prices_from_nothing_to_the_limit_are_taken_and_one_cent_more_is_refused() {
    for (price, taken) in [
        (0, true),
        (AMOUNT_MAX, true),
        (AMOUNT_MAX + 1, false),
        (u64::MAX, false),
    ] {
        let decided = decide("p-1", None, Command::Create(product("cup", price)), &());
        if taken {
            assert_eq!(decided, Ok(vec![Event::Created(product("cup", price))]));
        } else {
            let told = format!("price is {price}; at most 9007199254740991 is allowed");
            assert_eq!(decided, Err(Rejection::Invalid(told)));
        }
    }
}

#[test]
fn texts_are_limited_in_bytes_and_the_field_is_named() {
    let fits = "ä".repeat(TEXT_BYTES_MAX / 2);
    let long = format!("{fits}x");
    let told = |field: &str| {
        Rejection::Invalid(format!(
            "{field} has 10001 bytes; at most 10000 are allowed"
        ))
    };

    let good = decide("p-1", None, Command::Create(product(&fits, 1)), &());
    assert!(good.is_ok());
    let good = decide("k-1", None, Command::Create(customer(&fits, &fits)), &());
    assert!(good.is_ok());

    let before = product("cup", 1);
    let refused = decide(
        "p-1",
        Some(&before),
        Command::Update(product(&long, 1)),
        &(),
    );
    assert_eq!(refused, Err(told("name")));
    let before = customer("Ada", "");
    for (after, field) in [
        (customer(&long, ""), "name"),
        (customer("", &long), "email"),
    ] {
        let refused = decide("k-1", Some(&before), Command::Update(after.clone()), &());
        assert_eq!(refused, Err(told(field)));
        let refused = decide("k-1", None, Command::Create(after), &());
        assert_eq!(refused, Err(told(field)));
    }
}

#[test]
fn sums_stop_at_the_limit_and_never_wrap() {
    let rows: [(&[u64], Option<u64>); 7] = [
        (&[], Some(0)),
        (&[1, 2, 3], Some(6)),
        (&[AMOUNT_MAX], Some(AMOUNT_MAX)),
        (&[AMOUNT_MAX, 0], Some(AMOUNT_MAX)),
        (&[AMOUNT_MAX, 1], None),
        (&[u64::MAX, 1], None),
        (&[1, u64::MAX], None),
    ];
    for (amounts, expected) in rows {
        assert_eq!(sum(amounts.iter().copied()), expected, "{amounts:?}");
    }
}

#[test]
fn a_price_in_json_is_a_whole_number_of_cents() {
    for price in [
        "-1",
        "-0.5",
        "2.5",
        "2.0",
        "1e2",
        "\"2\"",
        "null",
        "[2]",
        "18446744073709551616",
    ] {
        let wrong = format!(r#"{{"name":"cup","price":{price}}}"#);
        assert!(serde_json::from_str::<Product>(&wrong).is_err(), "{wrong}");
    }
    let right: Product = serde_json::from_str(r#"{"name":"cup","price":250}"#).expect("a product");
    let shape = serde_json::to_value(right).expect("a product is JSON");
    assert_eq!(
        shape,
        serde_json::json!({"entity_id":"","name":"cup","price":250})
    );
}

#[test]
fn unknown_and_missing_fields_are_refused_by_name() {
    let rows = [
        (
            r#"{"name":"cup","price":1,"colour":"red"}"#,
            "unknown field `colour`",
        ),
        (r#"{"name":"cup"}"#, "missing field `price`"),
        (r#"{"price":1}"#, "missing field `name`"),
        (
            r#"{"name":"cup","price":1,"price":2}"#,
            "duplicate field `price`",
        ),
    ];
    for (json, fragment) in rows {
        let told = serde_json::from_str::<Product>(json)
            .expect_err(json)
            .to_string();
        assert!(told.contains(fragment), "{told:?} lacks {fragment:?}");
    }
    let rows = [
        (
            r#"{"name":"Ada","email":"a@b","age":1}"#,
            "unknown field `age`",
        ),
        (r#"{"name":"Ada"}"#, "missing field `email`"),
        (r#"{"name":1,"email":"a@b"}"#, "expected a string"),
    ];
    for (json, fragment) in rows {
        let told = serde_json::from_str::<Customer>(json)
            .expect_err(json)
            .to_string();
        assert!(told.contains(fragment), "{told:?} lacks {fragment:?}");
    }
}
