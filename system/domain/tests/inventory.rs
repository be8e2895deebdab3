//! An inventory's commands.

use std::collections::BTreeSet;

use ordershop_domain::{AMOUNT_MAX, Command, Event, Inventory, InventoryFacts, Rejection, decide};

fn inventory(product_id: &str, amount: u64) -> Inventory {
    Inventory {
        entity_id: "i-1".into(),
        product_id: product_id.into(),
        amount,
    }
}

fn facts() -> InventoryFacts {
    InventoryFacts {
        products: BTreeSet::from(["cup".into()]),
    }
}

#[test]
fn amounts_from_none_to_the_limit_are_taken_and_one_more_is_refused() {
    for (amount, taken) in [
        (0, true),
        (1, true),
        (AMOUNT_MAX, true),
        (AMOUNT_MAX + 1, false),
        (u64::MAX, false),
    ] {
        let after = inventory("cup", amount);
        let created = decide("i-1", None, Command::Create(after.clone()), &facts());
        let before = inventory("cup", 7);
        let updated = decide(
            "i-1",
            Some(&before),
            Command::Update(after.clone()),
            &facts(),
        );
        if taken {
            assert_eq!(created, Ok(vec![Event::Created(after.clone())]));
            assert_eq!(updated, Ok(vec![Event::Updated(after)]));
        } else {
            let told = format!("amount is {amount}; at most 9007199254740991 is allowed");
            assert_eq!(created, Err(Rejection::Invalid(told.clone())));
            assert_eq!(updated, Err(Rejection::Invalid(told)));
        }
    }
}

#[test]
fn stock_of_a_product_that_does_not_exist_is_refused() {
    let told = || Rejection::BadReference("product_id: there is no product \"mug\"".into());
    let stray = inventory("mug", 1);

    let created = decide("i-1", None, Command::Create(stray.clone()), &facts());
    let raised = decide(
        "i-1",
        Some(&stray),
        Command::Update(inventory("mug", 2)),
        &facts(),
    );

    assert_eq!((created, raised), (Err(told()), Err(told())));
}

#[test]
fn an_inventory_stays_its_products() {
    let moved = decide(
        "i-1",
        Some(&inventory("mug", 1)),
        Command::Update(inventory("cup", 1)),
        &facts(),
    );

    let told = "the product of an inventory can't change: it is \"mug\"";
    assert_eq!(moved, Err(Rejection::Conflict(told.into())));
}

#[test]
fn stock_of_a_product_that_is_gone_can_still_be_put_back_unchanged_and_deleted() {
    let stray = inventory("mug", 1);

    let same = decide(
        "i-1",
        Some(&stray),
        Command::Update(stray.clone()),
        &facts(),
    );
    let deleted = decide("i-1", Some(&stray), Command::Delete, &facts());

    assert_eq!(same, Ok(vec![]));
    assert_eq!(deleted, Ok(vec![Event::Deleted(stray)]));
}

#[test]
fn an_inventory_in_json_takes_whole_pieces_only() {
    for amount in ["-1", "1.5", "1.0", "\"1\"", "null", "true"] {
        let wrong = format!(r#"{{"product_id":"cup","amount":{amount}}}"#);
        assert!(
            serde_json::from_str::<Inventory>(&wrong).is_err(),
            "{wrong}"
        );
    }
    let extra = r#"{"product_id":"cup","amount":1,"shelf":2}"#;
    let told = serde_json::from_str::<Inventory>(extra).expect_err("an unknown field");
    assert!(told.to_string().contains("unknown field `shelf`"), "{told}");
}
