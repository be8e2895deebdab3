//! A cart's commands: the references and stock that they need, its limits, and that it stays as it was ordered while its order lives.

use std::collections::{BTreeMap, BTreeSet};

use ordershop_domain::{
    AMOUNT_MAX, Cart, CartFacts, Command, Event, OrderOfCart, OrderStatus, Rejection, decide,
};

const PIECES_MAX: usize = 100_000;
const PRODUCTS_MAX: usize = 1_000;

fn cart(customer_id: &str, product_ids: &[&str]) -> Cart {
    Cart {
        entity_id: "c-1".into(),
        customer_id: customer_id.into(),
        product_ids: product_ids.iter().map(ToString::to_string).collect(),
        order_id: None,
    }
}

fn facts() -> CartFacts {
    CartFacts {
        customers: BTreeSet::from(["k-1".into()]),
        stock: BTreeMap::from([("cup".into(), 2), ("pot".into(), 1), ("jar".into(), 0)]),
        orders: BTreeMap::new(),
    }
}

/// The facts with these known orders of cart `c-1`.
fn facts_with(orders: &[(&str, OrderStatus)]) -> CartFacts {
    let orders = orders.iter().map(|&(order_id, status)| OrderOfCart {
        order_id: order_id.into(),
        status,
    });
    CartFacts {
        orders: BTreeMap::from([("c-1".into(), orders.collect())]),
        ..facts()
    }
}

/// A cart of one cup that names this order as its own.
fn ordered(order_id: Option<&str>) -> Cart {
    cart("k-1", &["cup"]).ordered_by(order_id.map(Into::into))
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

/// Checks that a cart can be neither changed nor deleted, because of `why`, but put back.
#[track_caller]
fn check_fixed(before: &Cart, facts: &CartFacts, why: &str) {
    let told = format!("cart \"c-1\" is ordered: its order {why}");
    let named = before.order_id.clone();
    for command in [
        Command::Update(cart("k-1", &["pot"])),
        Command::Update(cart("k-1", &["pot"]).ordered_by(named)),
        Command::Update(cart("k-1", &["cup", "cup"])),
        Command::Update(cart("k-1", &[])),
        Command::Update(cart("k-2", &["cup"])),
        Command::Delete,
    ] {
        let refused = decide("c-1", Some(before), command.clone(), facts);
        let expected = Err(Rejection::Conflict(told.clone()));
        assert_eq!(refused, expected, "{command:?}");
    }
    check_put_back(before, facts);
}

/// Checks that a cart can be put back with its order and without it, and keeps it.
#[track_caller]
fn check_put_back(before: &Cart, facts: &CartFacts) {
    for same in [before.clone(), before.ordered_by(None)] {
        let events = decide("c-1", Some(before), Command::Update(same), facts);
        assert_eq!(events, Ok(vec![]));
    }
}

/// Checks that a cart can be changed and deleted, and that a changed one has no order.
#[track_caller]
fn check_free(before: &Cart, facts: &CartFacts) {
    let changed = cart("k-1", &["pot"]);
    for after in [changed.clone(), changed.ordered_by(before.order_id.clone())] {
        let events = decide("c-1", Some(before), Command::Update(after), facts);
        assert_eq!(events, Ok(vec![Event::Updated(changed.clone())]));
    }
    let events = decide("c-1", Some(before), Command::Delete, facts);
    assert_eq!(events, Ok(vec![Event::Deleted(before.clone())]));
    check_put_back(before, facts);
}

#[test]
fn a_cart_is_fixed_while_its_order_lives_and_free_when_that_is_out_of_stock() {
    for status in OrderStatus::ALL {
        let facts = facts_with(&[("o-1", status)]);
        // An order of a foreign service isn't named in its cart.
        for named in [Some("o-1"), None] {
            if status == OrderStatus::OutOfStock {
                check_free(&ordered(named), &facts);
            } else {
                check_fixed(&ordered(named), &facts, &format!("\"o-1\" is {status}"));
            }
        }
    }
}

#[test]
fn a_cart_is_fixed_while_its_order_is_being_created() {
    let before = ordered(Some("o-1"));
    let others = facts_with(&[("o-2", OrderStatus::OutOfStock)]);
    for facts in [facts(), others] {
        check_fixed(&before, &facts, "\"o-1\" is being created");
    }
}

#[test]
fn of_many_orders_one_that_lives_is_enough() {
    let (living, short) = (OrderStatus::InStock, OrderStatus::OutOfStock);
    for named in [None, Some("o-1"), Some("o-3")] {
        let one_lives = facts_with(&[("o-1", short), ("o-2", living), ("o-3", short)]);
        check_fixed(&ordered(named), &one_lives, "\"o-2\" is IN_STOCK");
        let none_lives = facts_with(&[("o-1", short), ("o-2", short), ("o-3", short)]);
        check_free(&ordered(named), &none_lives);
    }
}

#[test]
fn an_order_of_another_cart_holds_nothing() {
    let other = OrderOfCart {
        order_id: "o-2".into(),
        status: OrderStatus::Shipped,
    };
    let facts = CartFacts {
        orders: BTreeMap::from([("c-2".into(), vec![other])]),
        ..facts()
    };
    check_free(&ordered(None), &facts);
}

#[test]
fn only_the_system_sets_the_order_of_a_cart() {
    let created = decide("c-1", None, Command::Create(ordered(Some("o-1"))), &facts());
    let told = "the system sets a cart's order_id; leave it out";
    assert_eq!(created, Err(Rejection::Invalid(told.into())));

    let free = facts_with(&[("o-1", OrderStatus::OutOfStock)]);
    let told = "the order_id of a cart can't be set; leave it out, or send it as it is";
    for before in [ordered(None), ordered(Some("o-1"))] {
        for products in [&["cup"][..], &["pot"]] {
            for named in ["o-2", ""] {
                let after = cart("k-1", products).ordered_by(Some(named.into()));
                let refused = decide("c-1", Some(&before), Command::Update(after), &free);
                assert_eq!(refused, Err(Rejection::Conflict(told.into())), "{named:?}");
            }
        }
    }
}

#[test]
fn a_cart_ordered_by_an_order_differs_in_nothing_else() {
    let before = cart("k-1", &["cup", "pot"]);

    let named = before.ordered_by(Some("o-1".into()));

    assert_eq!(named.order_id.as_deref(), Some("o-1"));
    assert_eq!(named.ordered_by(None), before);
}

#[test]
fn a_cart_that_was_ordered_is_not_created_again() {
    let again = Command::Create(cart("k-1", &["cup"]));
    let events = decide("c-1", Some(&ordered(Some("o-1"))), again, &facts());
    assert_eq!(events, Ok(vec![]));
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
fn a_cart_holds_its_limit_of_products_and_not_one_more() {
    let ids: Vec<String> = (0..=PRODUCTS_MAX).map(|n| format!("p-{n}")).collect();
    let facts = CartFacts {
        stock: ids.iter().map(|id| (id.clone(), 2)).collect(),
        ..facts()
    };
    // Two pieces of each product: a piece more is no product more.
    let of = |products| -> Cart {
        let ids: Vec<&str> = ids.iter().take(products).map(String::as_str).collect();
        cart("k-1", &[&ids[..], &ids[..]].concat())
    };
    for state in [None, Some(cart("k-1", &[]))] {
        let run = |cart: Cart| {
            let command = match state {
                None => Command::Create(cart),
                Some(_) => Command::Update(cart),
            };
            decide("c-1", state.as_ref(), command, &facts)
        };
        assert_eq!(run(of(PRODUCTS_MAX)).map(|events| events.len()), Ok(1));
        let told = "product_ids has 1001 different products; at most 1000 are allowed";
        let refused = run(of(PRODUCTS_MAX + 1));
        assert_eq!(refused, Err(Rejection::Invalid(told.into())));
    }
}

#[test]
fn pieces_are_counted_by_product() {
    let counted = cart("k-1", &["pot", "cup", "pot"]);
    assert_eq!(counted.pieces(), BTreeMap::from([("cup", 1), ("pot", 2)]));
    assert_eq!(cart("k-1", &[]).pieces(), BTreeMap::new());
}

#[test]
fn a_cart_in_json_names_its_order_only_if_it_has_one() {
    let open = r#"{"entity_id":"c-1","customer_id":"k-1","product_ids":["cup"]}"#;
    let named = r#"{"entity_id":"c-1","customer_id":"k-1","product_ids":["cup"],"order_id":"o-1"}"#;
    for (cart, json) in [(ordered(None), open), (ordered(Some("o-1")), named)] {
        assert_eq!(serde_json::to_string(&cart).expect("a cart is JSON"), json);
        let back: Cart = serde_json::from_str(json).expect("its own JSON");
        assert_eq!(back, cart);
    }
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
        r#"{"customer_id":"k-1","product_ids":[],"order_id":1}"#,
    ] {
        assert!(serde_json::from_str::<Cart>(wrong).is_err(), "{wrong}");
    }
}
