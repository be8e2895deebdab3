//! The domain's decisions: a command, a state and facts → events. Throughput is in decisions. They have no floor: they are pure and call
//! nothing that could be sent without them. Compare them with an append or a round trip of the queue, of which they must be a small part.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ordershop_benches::sample;
use ordershop_domain::{
    Aggregate, Billing, BillingFacts, Cart, CartFacts, Command, Inventory, Order, OrderFacts,
    OrderOfBilling, OrderStatus, Purchase, Rejection, ReservationOutcome, VersionedCart, decide,
    reserve,
};

/// Products in the cart that is filled, ordered and reserved.
const PRODUCTS: usize = 5;
/// Pieces of each product in stock.
const STOCK: u64 = 1_000;

fn bench<E: Aggregate>(
    c: &mut Criterion,
    name: &str,
    state: Option<&E>,
    command: &Command<E>,
    facts: &E::Facts,
) {
    let decided = |command| decide("id", state, command, facts);
    let events = decided(command.clone());
    assert!(
        events.is_ok_and(|events| events.len() == 1),
        "{name} is decided"
    );
    let mut group = c.benchmark_group("decide");
    group.throughput(Throughput::Elements(1));
    group.bench_function(name, |b| {
        let run = |command| -> Result<_, Rejection> { decided(black_box(command)) };
        b.iter_batched(|| command.clone(), run, BatchSize::SmallInput);
    });
    group.finish();
}

/// The same price for each product of a cart.
fn prices(cart: &Cart) -> BTreeMap<String, u64> {
    let prices = cart.product_ids.iter();
    prices.map(|id| (id.clone(), sample::PRICE)).collect()
}

fn decisions(c: &mut Criterion) {
    let cart = sample::cart(1, PRODUCTS);
    let facts = CartFacts {
        customers: BTreeSet::from([cart.customer_id.clone()]),
        stock: cart
            .product_ids
            .iter()
            .map(|id| (id.clone(), STOCK))
            .collect(),
        orders: BTreeMap::new(),
    };
    bench(
        c,
        "create a cart of 5 products",
        None,
        &Command::Create(cart.clone()),
        &facts,
    );

    let order = Order {
        entity_id: sample::id("order", 1),
        cart_id: cart.entity_id.clone(),
        status: OrderStatus::Created,
        customer_id: None,
        lines: None,
        total: None,
    };
    let prices = prices(&cart);
    let purchase = Purchase::of(&cart, &prices).expect("every product has a price");
    let facts = OrderFacts {
        carts: BTreeMap::from([(
            cart.entity_id.clone(),
            VersionedCart {
                cart: cart.clone(),
                version: 1,
            },
        )]),
        customers: BTreeSet::from([cart.customer_id.clone()]),
        prices,
        orders: BTreeMap::new(),
    };
    let create = Command::Create(order.clone());
    bench(c, "create an order of 5 products", None, &create, &facts);

    let (order_id, amount) = (order.entity_id.clone(), purchase.total);
    let in_stock = OrderOfBilling {
        order: order
            .with_purchase(purchase)
            .with_status(OrderStatus::InStock),
        version: 2,
        total: Some(amount),
    };
    let facts = BillingFacts {
        orders: BTreeMap::from([(order_id.clone(), in_stock)]),
        billed: BTreeSet::new(),
    };
    let billing = Billing {
        entity_id: sample::id("billing", 1),
        order_id,
        amount,
    };
    bench(
        c,
        "create a billing",
        None,
        &Command::Create(billing),
        &facts,
    );
}

fn reservation(c: &mut Criterion) {
    let cart = sample::cart(1, PRODUCTS);
    let inventory = |(n, product_id): (usize, &String)| {
        let inventory = Inventory {
            entity_id: sample::id("inventory", n),
            product_id: product_id.clone(),
            amount: STOCK,
        };
        (product_id.clone(), vec![inventory])
    };
    let stock: HashMap<_, _> = cart.product_ids.iter().enumerate().map(inventory).collect();
    let purchase = Purchase::of(&cart, &prices(&cart)).expect("every product has a price");
    let outcome = reserve("order", &purchase, &stock);
    assert!(
        matches!(outcome, ReservationOutcome::Reserved(_)),
        "{outcome:?}"
    );
    let mut group = c.benchmark_group("reserve");
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::new("products", PRODUCTS), |b| {
        b.iter(|| reserve("order", black_box(&purchase), black_box(&stock)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = ordershop_benches::criterion();
    targets = decisions, reservation
}
criterion_main!(benches);
