//! Ordering a cart: what an order is decided on, why it is refused, and that a cart has one living order at most.

use std::collections::{BTreeMap, BTreeSet};

use ordershop_domain::OrderStatus::{self, Created, InStock, OutOfStock, Shipped};
use ordershop_domain::{
    AMOUNT_MAX, Cart, Command, Event, Order, OrderFacts, OrderLine, OrderOfCart, Purchase,
    Rejection, VersionedCart, decide,
};

#[path = "sample/order.rs"]
mod sample;
use sample::{bare, bought, conflict, line};

fn cart(id: &str, product_ids: &[&str]) -> Cart {
    Cart {
        entity_id: id.into(),
        customer_id: "k-1".into(),
        product_ids: product_ids.iter().map(ToString::to_string).collect(),
        order_id: None,
    }
}

fn facts() -> OrderFacts {
    facts_of(cart("c-1", &["cup", "pot", "cup"]))
}

/// Facts with this cart beside `c-2`, which is empty.
fn facts_of(ordered: Cart) -> OrderFacts {
    let carts = [ordered, cart("c-2", &[])].map(|cart| {
        let id = cart.entity_id.clone();
        (id, VersionedCart { cart, version: 3 })
    });
    OrderFacts {
        carts: BTreeMap::from(carts),
        customers: BTreeSet::from(["k-1".into()]),
        prices: BTreeMap::from([("cup".into(), 250), ("pot".into(), 1_999)]),
        orders: BTreeMap::new(),
    }
}

fn create(order: Order, facts: &OrderFacts) -> Result<Vec<Event<Order>>, Rejection> {
    decide("o-1", None, Command::Create(order), facts)
}

fn bad_reference<T>(text: impl Into<String>) -> Result<T, Rejection> {
    Err(Rejection::BadReference(text.into()))
}

#[test]
fn a_new_order_carries_the_customer_the_lines_and_the_total_that_it_was_decided_on() {
    let ordered = create(bare(Created), &facts());
    assert_eq!(ordered, Ok(vec![Event::Created(bought(Created))]));

    let of_nothing = Order {
        cart_id: "c-2".into(),
        ..bare(Created)
    };
    let expected = Order {
        customer_id: Some("k-1".into()),
        lines: Some(vec![]),
        total: Some(0),
        ..of_nothing.clone()
    };
    let ordered = create(of_nothing, &facts());
    assert_eq!(ordered, Ok(vec![Event::Created(expected)]));
}

#[test]
fn a_purchase_has_a_line_a_product_and_costs_the_sum_of_its_pieces() {
    let prices = BTreeMap::from([
        ("crown".to_owned(), 1 << 52),
        ("cup".to_owned(), 250),
        ("gift".to_owned(), 0),
        ("pot".to_owned(), 1_999),
        ("ring".to_owned(), AMOUNT_MAX),
    ]);
    let cup = line("cup", 1, 250);
    let ring = line("ring", 1, AMOUNT_MAX);
    let rows: [(&[&str], Vec<OrderLine>, u64); 6] = [
        (&[], vec![], 0),
        (&["cup"], vec![cup.clone()], 250),
        (
            &["pot", "cup", "pot"],
            vec![cup, line("pot", 2, 1_999)],
            4_248,
        ),
        (&["gift", "gift"], vec![line("gift", 2, 0)], 0),
        (&["ring"], vec![ring.clone()], AMOUNT_MAX),
        (
            &["ring", "gift"],
            vec![line("gift", 1, 0), ring],
            AMOUNT_MAX,
        ),
    ];
    for (products, lines, total) in rows {
        let expected = Purchase {
            customer_id: "k-1".into(),
            lines,
            total,
        };
        assert_eq!(Purchase::of(&cart("c-1", products), &prices), Ok(expected));
    }
    let gone = "cart_id: cart \"c-1\" has the product \"mug\", which no longer exists";
    let too_much = format!("cart_id: the products of cart \"c-1\" cost more than {AMOUNT_MAX}");
    let refusals: [(&[&str], &str); 6] = [
        (&["mug"], gone),
        (&["cup", "mug"], gone),
        // The product that is gone is told before the sum, which isn't known.
        (&["ring", "cup", "mug"], gone),
        (&["ring", "cup"], &too_much),
        (&["ring", "ring"], &too_much),
        // 4,096 crowns cost 2^64 cents, which a u64 that wraps would call nothing.
        (&["crown"; 4_096], &too_much),
    ];
    for (products, told) in refusals {
        let refused = Purchase::of(&cart("c-1", products), &prices);
        assert_eq!(refused, bad_reference(told));
    }
}

#[test]
fn an_order_begins_as_created_and_as_nothing_else() {
    for status in OrderStatus::ALL {
        if status == Created {
            continue;
        }
        let told = format!("an order begins as CREATED, not as {status}");
        assert_eq!(create(bare(status), &facts()), conflict(told));
    }
}

#[test]
fn a_client_can_not_say_what_its_order_is_decided_on_even_if_it_is_right() {
    let right = bought(Created);
    let mut parts = [bare(Created), bare(Created), bare(Created), right.clone()];
    parts[0].customer_id.clone_from(&right.customer_id);
    parts[1].lines.clone_from(&right.lines);
    parts[2].total = right.total;
    for order in parts {
        let told = "the system sets an order's customer_id, lines and total; leave them out";
        let refused = Err(Rejection::Invalid(told.into()));
        assert_eq!(create(order, &facts()), refused);
    }
}

#[test]
fn an_order_is_refused_if_its_cart_its_customer_or_a_product_is_gone_or_it_costs_too_much() {
    let without = |gone: &str| {
        let mut facts = facts();
        facts.carts.remove(gone);
        facts.customers.remove(gone);
        facts.prices.remove(gone);
        facts
    };
    let priced = |cup, pot| OrderFacts {
        prices: BTreeMap::from([("cup".into(), cup), ("pot".into(), pot)]),
        ..facts()
    };
    let too_much = "cart_id: the products of cart \"c-1\" cost more than 9007199254740991";
    // (the facts, the refusal)
    let rows = [
        (without("c-1"), "cart_id: there is no cart \"c-1\""),
        (
            without("k-1"),
            "cart_id: the customer \"k-1\" of cart \"c-1\" no longer exists",
        ),
        (
            without("pot"),
            "cart_id: cart \"c-1\" has the product \"pot\", which no longer exists",
        ),
        (priced(1, AMOUNT_MAX - 1), too_much),
        (priced(AMOUNT_MAX, 0), too_much),
        (priced(u64::MAX, u64::MAX), too_much),
    ];
    for (facts, told) in rows {
        assert_eq!(create(bare(Created), &facts), bad_reference(told));
    }
    let events = create(bare(Created), &priced(1, AMOUNT_MAX - 2)).expect("just not too much");
    let [Event::Created(dearest)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(dearest.total, Some(AMOUNT_MAX));
}

#[test]
fn a_cart_is_ordered_only_if_no_other_order_of_it_is_alive() {
    let is = |order_id: &str, status| format!("its order \"{order_id}\" is {status}");
    let begun = |order_id: &str| format!("its order \"{order_id}\" is being created");
    // (the order that the cart names, the known orders of the cart, what refuses the new order `o-1`)
    type Orders<'a> = &'a [(&'a str, OrderStatus)];
    let rows: [(Option<&str>, Orders, Option<String>); 11] = [
        (None, &[], None),
        // A repeat: the cart names this order, which isn't written yet, or isn't known to be gone.
        (Some("o-1"), &[], None),
        (Some("o-1"), &[("o-1", Created)], None),
        (Some("o-1"), &[("o-1", InStock), ("o-2", OutOfStock)], None),
        (Some("o-1"), &[("o-2", Shipped)], Some(is("o-2", Shipped))),
        (Some("o-2"), &[], Some(begun("o-2"))),
        (Some("o-2"), &[("o-2", OutOfStock)], None),
        (Some("o-2"), &[("o-3", OutOfStock)], Some(begun("o-2"))),
        (
            Some("o-2"),
            &[("o-2", OutOfStock), ("o-3", InStock)],
            Some(is("o-3", InStock)),
        ),
        // An order of a foreign service needn't be named in the cart.
        (None, &[("o-2", Created)], Some(is("o-2", Created))),
        (None, &[("o-2", OutOfStock)], None),
    ];
    let living = OrderStatus::ALL
        .into_iter()
        .filter(|status| *status != OutOfStock)
        .map(|status| (Some("o-2"), vec![("o-2", status)], Some(is("o-2", status))));
    let rows = rows.map(|(named, orders, refusal)| (named, orders.to_vec(), refusal));
    for (named, orders, refusal) in rows.into_iter().chain(living) {
        let context = format!("{named:?}, {orders:?}");
        let ordered = cart("c-1", &["cup", "pot", "cup"]).ordered_by(named.map(Into::into));
        let orders = orders.into_iter().map(|(order_id, status)| OrderOfCart {
            order_id: order_id.into(),
            status,
        });
        let facts = OrderFacts {
            orders: BTreeMap::from([("c-1".into(), orders.collect())]),
            ..facts_of(ordered)
        };
        let expected = match refusal {
            None => Ok(vec![Event::Created(bought(Created))]),
            Some(why) => conflict(format!("cart \"c-1\" is ordered: {why}")),
        };
        assert_eq!(create(bare(Created), &facts), expected, "{context}");
    }
}

#[test]
fn an_order_of_another_cart_is_not_in_the_way() {
    let other = OrderOfCart {
        order_id: "o-2".into(),
        status: InStock,
    };
    let facts = OrderFacts {
        orders: BTreeMap::from([("c-2".into(), vec![other])]),
        ..facts()
    };

    let events = create(bare(Created), &facts);

    assert_eq!(events, Ok(vec![Event::Created(bought(Created))]));
}

#[test]
fn an_order_that_exists_is_not_created_again_whatever_its_cart_has_become() {
    for status in OrderStatus::ALL {
        let again = Command::Create(bare(Created));
        let nothing = OrderFacts::default();
        let events = decide("o-1", Some(&bought(status)), again, &nothing);
        assert_eq!(events, Ok(vec![]), "{status}");
    }
}
