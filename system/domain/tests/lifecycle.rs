//! What every kind of aggregate has in common: create, update and delete on what exists and on what doesn't, and `evolve` after `decide`.

use std::collections::{BTreeMap, BTreeSet};

use ordershop_domain::{
    Aggregate, Billing, BillingFacts, Cart, CartFacts, Command, Customer, Event, Inventory,
    InventoryFacts, Order, OrderFacts, OrderLine, OrderOfBilling, OrderStatus, Product, Purchase,
    Rejection, Shipping, ShippingFacts, VersionedCart, decide, evolve,
};

/// An order of one cup, as a client posts it.
fn posted() -> Order {
    Order {
        entity_id: "o-1".into(),
        cart_id: "c-1".into(),
        status: OrderStatus::Created,
        customer_id: None,
        lines: None,
        total: None,
    }
}

/// What that order buys.
fn one_cup() -> Purchase {
    let line = OrderLine {
        product_id: "p-1".into(),
        quantity: 1,
        price: 7,
    };
    Purchase {
        customer_id: "k-1".into(),
        lines: vec![line],
        total: 7,
    }
}

fn cart(pieces: usize) -> Cart {
    Cart {
        entity_id: "c-1".into(),
        customer_id: "k-1".into(),
        product_ids: vec!["p-1".into(); pieces],
        order_id: None,
    }
}

fn ids(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Checks the life of one entity: it is created as `first` and updated to `second`.
#[track_caller]
fn check<E: Aggregate + std::fmt::Debug>(kind: &str, facts: &E::Facts, first: &E, second: &E) {
    check_with(kind, (facts, facts), first, second);
}

/// The same with the facts until the deletion and those of the deletion.
#[track_caller]
fn check_with<E: Aggregate + std::fmt::Debug>(
    kind: &str,
    (facts, last_facts): (&E::Facts, &E::Facts),
    first: &E,
    second: &E,
) {
    let id = first.id();
    assert_eq!((E::KIND, second.id()), (kind, id));
    assert_ne!(first, second, "{kind}: the update must change something");
    let run = |state: Option<&E>, command| decide(id, state, command, facts);
    let delete = |state: Option<&E>| decide(id, state, Command::Delete, last_facts);

    // A missing entity can be neither changed nor deleted.
    for command in [Command::Update(first.clone()), Command::Delete] {
        let refused = run(None, command).expect_err("there is nothing");
        assert!(matches!(&refused, Rejection::NotFound { kind, .. } if *kind == E::KIND));
        assert_eq!(refused.to_string(), format!("there is no {kind} {id:?}"));
    }

    // Each command once, then again.
    let created = vec![Event::Created(first.clone())];
    assert_eq!(
        run(None, Command::Create(first.clone())),
        Ok(created.clone())
    );
    let state = created.into_iter().fold(None, evolve);
    assert_eq!(state.as_ref(), Some(first));
    assert_eq!(
        run(state.as_ref(), Command::Create(first.clone())),
        Ok(vec![]),
        "{kind}: created again"
    );
    assert_eq!(
        run(state.as_ref(), Command::Update(first.clone())),
        Ok(vec![]),
        "{kind}: put back as it was read"
    );

    let updated = vec![Event::Updated(second.clone())];
    assert_eq!(
        run(state.as_ref(), Command::Update(second.clone())),
        Ok(updated.clone())
    );
    let state = updated.into_iter().fold(state, evolve);
    assert_eq!(state.as_ref(), Some(second));
    assert_eq!(
        run(state.as_ref(), Command::Update(second.clone())),
        Ok(vec![]),
        "{kind}: updated again"
    );

    let deleted = vec![Event::Deleted(second.clone())];
    assert_eq!(delete(state.as_ref()), Ok(deleted.clone()));
    let state = deleted.into_iter().fold(state, evolve);
    assert_eq!(state, None);
    assert!(matches!(
        delete(state.as_ref()),
        Err(Rejection::NotFound { .. })
    ));
}

#[test]
fn customers_and_products_live_and_die() {
    let customer = |name: &str| Customer {
        entity_id: "k-1".into(),
        name: name.into(),
        email: "ada@example.org".into(),
    };
    check("customer", &(), &customer("Ada"), &customer("Ada L."));
    let product = |price| Product {
        entity_id: "p-1".into(),
        name: "cup".into(),
        price,
    };
    check("product", &(), &product(0), &product(250));
}

#[test]
fn inventories_and_carts_live_and_die() {
    let inventory = |amount| Inventory {
        entity_id: "i-1".into(),
        product_id: "p-1".into(),
        amount,
    };
    let facts = InventoryFacts {
        products: ids(&["p-1"]),
    };
    check("inventory", &facts, &inventory(5), &inventory(0));
    let facts = CartFacts {
        customers: ids(&["k-1"]),
        stock: BTreeMap::from([("p-1".into(), 3)]),
        orders: BTreeMap::new(),
    };
    check("cart", &facts, &cart(0), &cart(3));
}

#[test]
fn billings_and_shippings_live_and_die() {
    let shipping = |delivered| Shipping {
        entity_id: "s-1".into(),
        order_id: "o-1".into(),
        delivered,
    };
    let facts = ShippingFacts {
        orders: BTreeMap::from([("o-1".into(), OrderStatus::Cleared)]),
        shipped: BTreeSet::new(),
    };
    // A shipping of a paid order can't be deleted: it is deleted after the payment was taken back.
    let unpaid = ShippingFacts {
        orders: BTreeMap::from([("o-1".into(), OrderStatus::Uncleared)]),
        shipped: ids(&["o-1"]),
    };
    check_with(
        "shipping",
        (&facts, &unpaid),
        &shipping(0.0),
        &shipping(1.5),
    );

    // A billing's amount must match its order, so an update would need other facts: only creation and deletion are checked
    // here.
    let billing = Billing {
        entity_id: "b-1".into(),
        order_id: "o-1".into(),
        amount: 7,
    };
    let to_pay = OrderOfBilling {
        order: posted()
            .with_purchase(one_cup())
            .with_status(OrderStatus::InStock),
        version: 2,
        total: Some(7),
    };
    let facts = BillingFacts {
        orders: BTreeMap::from([("o-1".into(), to_pay)]),
        billed: BTreeSet::new(),
    };
    let events = decide("b-1", None, Command::Create(billing.clone()), &facts);
    assert_eq!(events, Ok(vec![Event::Created(billing.clone())]));
    let events = decide("b-1", Some(&billing), Command::Delete, &facts);
    assert_eq!(events, Ok(vec![Event::Deleted(billing.clone())]));
    let refused = decide("b-1", None, Command::<Billing>::Delete, &facts);
    assert!(matches!(
        refused,
        Err(Rejection::NotFound {
            kind: "billing",
            ..
        })
    ));
}

#[test]
fn an_order_lives_and_dies_and_no_update_changes_it() {
    let facts = OrderFacts {
        carts: BTreeMap::from([(
            "c-1".into(),
            VersionedCart {
                cart: cart(1),
                version: 1,
            },
        )]),
        customers: ids(&["k-1"]),
        prices: BTreeMap::from([("p-1".into(), 7)]),
        orders: BTreeMap::new(),
    };
    let run = |state: Option<&Order>, command| decide("o-1", state, command, &facts);
    let bought = posted().with_purchase(one_cup());
    for command in [Command::Update(posted()), Command::Delete] {
        let refused = run(None, command).expect_err("there is nothing");
        assert_eq!(refused.to_string(), "there is no order \"o-1\"");
        assert!(matches!(refused, Rejection::NotFound { .. }));
    }

    let created = run(None, Command::Create(posted())).expect("it can be ordered");
    assert_eq!(created, [Event::Created(bought.clone())]);
    let state = created.into_iter().fold(None, evolve);
    assert_eq!(state, Some(bought.clone()));
    for again in [
        Command::Create(posted()),
        Command::Update(posted()),
        Command::Update(bought.clone()),
    ] {
        assert_eq!(run(state.as_ref(), again), Ok(vec![]));
    }

    let deleted = run(state.as_ref(), Command::Delete).expect("it isn't paid");
    assert_eq!(deleted, [Event::Deleted(bought)]);
    assert_eq!(deleted.into_iter().fold(state, evolve), None);
}

#[test]
fn a_second_create_of_the_same_id_changes_nothing_even_with_other_fields() {
    let first = Product {
        entity_id: "p-1".into(),
        name: "cup".into(),
        price: 1,
    };
    let other = Product {
        price: 2,
        ..first.clone()
    };

    assert_eq!(
        decide("p-1", Some(&first), Command::Create(other), &()),
        Ok(vec![])
    );
}

#[test]
fn what_was_read_can_be_put_back_although_everything_it_names_is_gone() {
    let inventory = Inventory {
        entity_id: "i-1".into(),
        product_id: "p-gone".into(),
        amount: 5,
    };
    let cart = Cart {
        entity_id: "c-1".into(),
        customer_id: "k-gone".into(),
        product_ids: vec!["p-gone".into()],
        order_id: Some("o-gone".into()),
    };
    let order = Order {
        cart_id: "c-gone".into(),
        ..posted().with_purchase(one_cup())
    };
    let billing = Billing {
        entity_id: "b-1".into(),
        order_id: "o-gone".into(),
        amount: 7,
    };
    let shipping = Shipping {
        entity_id: "s-1".into(),
        order_id: "o-gone".into(),
        delivered: 1.0,
    };
    #[track_caller]
    fn check<E: Aggregate + std::fmt::Debug>(entity: &E)
    where
        E::Facts: Default,
    {
        let back = Command::Update(entity.clone());
        assert_eq!(
            decide(entity.id(), Some(entity), back, &E::Facts::default()),
            Ok(vec![])
        );
    }
    check(&inventory);
    check(&cart);
    check(&order);
    check(&posted());
    check(&billing);
    check(&shipping);
}
