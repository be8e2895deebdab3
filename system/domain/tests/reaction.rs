//! The sagas' reactions: each trigger from every status. A repeat causes no change.

use ordershop_domain::OrderStatus::{
    self, Cleared, Created, Delivered, InStock, OutOfStock, Shipped, Uncleared,
};
use ordershop_domain::{
    Order, OrderLine, Trigger, is_shipped_again, order_after, order_after_reservation,
    payment_goes_back, shipping_is_withdrawn, ships, stock_comes_back,
};

/// An order that carries what was bought: each reaction keeps that.
fn order(status: OrderStatus) -> Order {
    let line = OrderLine {
        product_id: "cup".into(),
        quantity: 2,
        price: 250,
    };
    Order {
        entity_id: "o-1".into(),
        cart_id: "c-1".into(),
        status,
        customer_id: Some("k-1".into()),
        lines: Some(vec![line]),
        total: Some(500),
    }
}

/// Checks that the reaction leads to `to` from exactly the statuses `from`, and that a repeat changes nothing.
#[track_caller]
fn check(
    what: &str,
    react: impl Fn(&Order) -> Option<Order>,
    from: &[OrderStatus],
    to: OrderStatus,
) {
    for status in OrderStatus::ALL {
        let expected = from.contains(&status).then(|| order(to));
        assert_eq!(react(&order(status)), expected, "{what} when {status}");
    }
    assert_eq!(react(&order(to)), None, "{what}, again");
}

#[test]
fn each_trigger_moves_an_order_from_where_it_may_and_from_nowhere_else() {
    let rows: [(Trigger, &[OrderStatus], OrderStatus); 4] = [
        (Trigger::BillingCreated, &[InStock, Uncleared], Cleared),
        (Trigger::BillingDeleted, &[Cleared], Uncleared),
        (Trigger::ShippingCreated, &[Cleared], Shipped),
        (Trigger::ShippingDelivered, &[Shipped], Delivered),
    ];
    for (trigger, from, to) in rows {
        check(
            &format!("{trigger:?}"),
            |order| order_after(order, trigger),
            from,
            to,
        );
    }
}

#[test]
fn a_reservation_moves_only_an_order_that_has_just_been_created() {
    for (reserved, to) in [(true, InStock), (false, OutOfStock)] {
        check(
            &format!("reserved: {reserved}"),
            |order| order_after_reservation(order, reserved),
            &[Created],
            to,
        );
    }
}

#[test]
fn only_a_cleared_order_is_shipped() {
    for status in OrderStatus::ALL {
        assert_eq!(ships(&order(status)), status == Cleared, "{status}");
    }
}

#[test]
fn stock_of_a_deleted_order_comes_back_until_it_is_shipped() {
    let rows = [
        (Created, true),
        (InStock, true),
        (OutOfStock, true),
        (Cleared, true),
        (Uncleared, true),
        (Shipped, false),
        (Delivered, false),
    ];
    for (status, back) in rows {
        assert_eq!(stock_comes_back(&order(status)), back, "{status}");
    }
}

#[test]
fn a_payment_goes_back_and_a_shipping_is_withdrawn_where_the_order_no_longer_fits() {
    // (the status, whether its payment goes back, whether its shipping is withdrawn; where it isn't, an earlier withdrawal is made good)
    let rows = [
        (Created, true, true),
        (InStock, false, true),
        (OutOfStock, true, true),
        (Cleared, false, false),
        (Uncleared, false, true),
        (Shipped, false, false),
        (Delivered, false, false),
    ];
    assert_eq!(rows.len(), OrderStatus::ALL.len());
    for (status, back, withdrawn) in rows {
        let order = order(status);
        assert_eq!(payment_goes_back(Some(&order)), back, "{status}");
        assert_eq!(shipping_is_withdrawn(Some(&order)), withdrawn, "{status}");
        let again = !withdrawn && status != Delivered;
        assert_eq!(is_shipped_again(&order), again, "{status}");
    }
    assert!(payment_goes_back(None), "the order was deleted");
    assert!(shipping_is_withdrawn(None), "the order was deleted");
}

#[test]
fn the_whole_way_of_an_order_with_a_payment_taken_back_in_between() {
    let mut now = order_after_reservation(&order(Created), true).expect("its stock is there");
    let way = [
        (Trigger::BillingCreated, Cleared),
        (Trigger::BillingDeleted, Uncleared),
        (Trigger::BillingCreated, Cleared),
        (Trigger::ShippingCreated, Shipped),
        (Trigger::ShippingDelivered, Delivered),
    ];
    for (trigger, status) in way {
        now = order_after(&now, trigger).expect("the next step is allowed");
        assert_eq!(now, order(status));
    }
}
