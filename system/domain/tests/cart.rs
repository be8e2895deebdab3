//! A cart's commands: the references and stock that they need, and from which status of the order on the cart is fixed.

use std::collections::{BTreeMap, BTreeSet};

use ordershop_domain::{
    AMOUNT_MAX, Cart, CartFacts, Command, Event, OrderStatus, Rejection, decide,
};

const PIECES_MAX: usize = 100_000;

fn cart(customer_id: &str, product_ids: &[&str]) -> Cart {
    Cart {
        entity_id: "c-1".into(),
        customer_id: customer_id.into(),
        product_ids: product_ids.iter().map(ToString::to_string).collect(),
    }
}

fn facts() -> CartFacts {
    CartFacts {
        customers: BTreeSet::from(["k-1".into()]),
        stock: BTreeMap::from([("cup".into(), 2), ("pot".into(), 1), ("jar".into(), 0)]),
        orders_past_created: BTreeMap::new(),
    }
}

fn kind(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::Invalid(_) => "invalid",
        Rejection::NotFound { .. } => "not found",
        Rejection::BadReference(_) => "bad reference",
        Rejection::Conflict(_) => "conflict",
    }
}

#[test]
fn a_cart_is_made_and_changed_within_the_stock_and_refused_beyond_it() {
    let refusals: [(&str, &[&str], &str, &str); 8] = [
        (
            "k-9",
            &["cup"],
            "bad reference",
            "customer_id: there is no customer \"k-9\"",
        ),
        (
            "",
            &[],
            "bad reference",
            "customer_id: there is no customer \"\"",
        ),
        (
            "k-1",
            &["mug"],
            "bad reference",
            "product_ids: there is no product \"mug\"",
        ),
        (
            "k-1",
            &["cup", "mug"],
            "bad reference",
            "there is no product \"mug\"",
        ),
        (
            "k-1",
            &["jar"],
            "conflict",
            "\"jar\" is out of stock: 1 wanted, 0 available",
        ),
        (
            "k-1",
            &["cup", "cup", "cup"],
            "conflict",
            "\"cup\" is out of stock: 3 wanted, 2 available",
        ),
        (
            "k-1",
            &["cup", "pot", "cup", "pot"],
            "conflict",
            "\"pot\" is out of stock: 2 wanted, 1 available",
        ),
        (
            "k-1",
            &["cup", "pot", "jar"],
            "conflict",
            "\"jar\" is out of stock",
        ),
    ];
    for (customer, products, expected, fragment) in refusals {
        for state in [None, Some(cart("k-1", &["cup", "pot", "pot"]))] {
            let command = match state {
                None => Command::Create(cart(customer, products)),
                Some(_) => Command::Update(cart(customer, products)),
            };
            let refused = decide("c-1", state.as_ref(), command, &facts())
                .expect_err(&format!("{customer:?} {products:?}"));
            assert_eq!(kind(&refused), expected, "{refused}");
            assert!(
                refused.to_string().contains(fragment),
                "{refused} lacks {fragment:?}"
            );
        }
    }
    let accepted: [&[&str]; 4] = [&[], &["cup"], &["cup", "pot", "cup"], &["pot"]];
    for products in accepted {
        let wanted = cart("k-1", products);
        let events = decide("c-1", None, Command::Create(wanted.clone()), &facts());
        assert_eq!(events, Ok(vec![Event::Created(wanted)]));
    }
}

#[test]
fn a_cart_whose_order_is_past_created_can_be_neither_changed_nor_deleted_but_put_back() {
    let before = cart("k-1", &["cup"]);
    for status in OrderStatus::ALL {
        if status == OrderStatus::Created {
            continue;
        }
        let facts = CartFacts {
            orders_past_created: BTreeMap::from([("c-1".into(), ("o-1".into(), status))]),
            ..facts()
        };
        for command in [
            Command::Update(cart("k-1", &["pot"])),
            Command::Update(cart("k-1", &[])),
            Command::Delete,
        ] {
            let refused =
                decide("c-1", Some(&before), command, &facts).expect_err("its order holds it");
            assert_eq!(kind(&refused), "conflict");
            let told = format!("its order \"o-1\" is {status}");
            assert!(refused.to_string().contains(&told), "{refused}");
        }
        let same = decide(
            "c-1",
            Some(&before),
            Command::Update(before.clone()),
            &facts,
        );
        assert_eq!(same, Ok(vec![]), "{status}");
    }
}

#[test]
fn an_order_of_another_cart_holds_nothing() {
    let facts = CartFacts {
        orders_past_created: BTreeMap::from([("c-2".into(), ("o-2".into(), OrderStatus::Shipped))]),
        ..facts()
    };
    let before = cart("k-1", &["cup"]);

    let events = decide("c-1", Some(&before), Command::Delete, &facts);

    assert_eq!(events, Ok(vec![Event::Deleted(before)]));
}

#[test]
fn a_cart_holds_its_limit_of_pieces_and_not_one_more() {
    let facts = CartFacts {
        stock: BTreeMap::from([("cup".into(), AMOUNT_MAX)]),
        ..facts()
    };
    let of = |pieces| cart("k-1", &vec!["cup"; pieces]);

    assert!(decide("c-1", None, Command::Create(of(PIECES_MAX)), &facts).is_ok());
    let refused =
        decide("c-1", None, Command::Create(of(PIECES_MAX + 1)), &facts).expect_err("one too many");

    assert_eq!(kind(&refused), "invalid");
    assert_eq!(
        refused.to_string(),
        "product_ids has 100001 entries; at most 100000 are allowed"
    );
}

#[test]
fn pieces_are_counted_and_prices_summed_by_piece() {
    let prices = BTreeMap::from([
        ("cup".to_owned(), 250),
        ("pot".to_owned(), 1_999),
        ("gift".to_owned(), 0),
        ("ring".to_owned(), AMOUNT_MAX),
    ]);
    let rows: [(&[&str], Option<u64>); 8] = [
        (&[], Some(0)),
        (&["cup"], Some(250)),
        (&["cup", "pot", "cup"], Some(2_499)),
        (&["gift", "gift"], Some(0)),
        (&["ring", "gift"], Some(AMOUNT_MAX)),
        (&["ring", "cup"], None),
        (&["ring", "ring", "ring"], None),
        (&["cup", "mug"], None),
    ];
    for (products, sum) in rows {
        assert_eq!(cart("k-1", products).sum(&prices), sum, "{products:?}");
    }
    let counted = cart("k-1", &["pot", "cup", "pot"]);
    assert_eq!(counted.pieces(), BTreeMap::from([("cup", 1), ("pot", 2)]));
}

#[test]
fn a_cart_in_json_is_read_strictly() {
    let read: Cart = serde_json::from_str(r#"{"customer_id":"k-1","product_ids":["a","a"]}"#)
        .expect("a client's cart");
    assert_eq!(read.product_ids, ["a", "a"]);
    for wrong in [
        r#"{"customer_id":"k-1"}"#,
        r#"{"product_ids":[]}"#,
        r#"{"customer_id":"k-1","product_ids":"a"}"#,
        r#"{"customer_id":"k-1","product_ids":[1]}"#,
        r#"{"customer_id":"k-1","product_ids":[],"coupon":"x"}"#,
    ] {
        assert!(serde_json::from_str::<Cart>(wrong).is_err(), "{wrong}");
    }
}
