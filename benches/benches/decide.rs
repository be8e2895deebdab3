//! The domain's decisions: a command, a state and facts → events. Throughput is in decisions. They have no floor: they are pure and call
//! nothing that could be sent without them. Compare them with an append or a round trip of the queue, of which they must be a small part.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ordershop_benches::sample;
use ordershop_domain::{
    Aggregate, Billing, BillingFacts, CartFacts, Command, Inventory, OrderFacts, OrderStatus,
    Rejection, ReservationOutcome, decide, reserve,
};

/// Products in the cart that is filled and reserved.
const PRODUCTS: usize = 5;
/// Pieces of each product in stock.
const STOCK: u64 = 1_000;
/// The price of the whole cart, in cents.
const SUM: u64 = 12_345;

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

fn decisions(c: &mut Criterion) {
    let cart = sample::cart(1, PRODUCTS);
    let facts = CartFacts {
        customers: BTreeSet::from([cart.customer_id.clone()]),
        stock: cart
            .product_ids
            .iter()
            .map(|id| (id.clone(), STOCK))
            .collect(),
        orders_past_created: BTreeMap::new(),
    };
    bench(
        c,
        "create a cart of 5 products",
        None,
        &Command::Create(cart),
        &facts,
    );

    let order = sample::order(1);
    let facts = OrderFacts {
        carts: BTreeSet::from([order.cart_id.clone()]),
    };
    let next = Command::Update(order.with_status(OrderStatus::InStock));
    bench(
        c,
        "order from CREATED to IN_STOCK",
        Some(&order),
        &next,
        &facts,
    );

    let order_id = order.entity_id;
    let facts = BillingFacts {
        orders: BTreeMap::from([(order_id.clone(), OrderStatus::InStock)]),
        sums: BTreeMap::from([(order_id.clone(), SUM)]),
        billed: BTreeSet::new(),
    };
    let billing = Billing {
        entity_id: sample::id("billing", 1),
        order_id,
        amount: SUM,
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
    let outcome = reserve("order", &cart, &stock);
    assert!(
        matches!(outcome, ReservationOutcome::Reserved(_)),
        "{outcome:?}"
    );
    let mut group = c.benchmark_group("reserve");
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::new("products", PRODUCTS), |b| {
        b.iter(|| reserve("order", black_box(&cart), black_box(&stock)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = ordershop_benches::criterion();
    targets = decisions, reservation
}
criterion_main!(benches);
