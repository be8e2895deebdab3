//! Entities as JSON: parsing a client's input (checked by field) and writing an event's data. Throughput is in entities. The floor of
//! parsing is serde_json's pass over the same bytes into a `RawValue` (checks only that they are JSON); that of writing is a copy of the
//! same bytes. The queue's envelopes and the streams' entries are private to their modules; the benches of the queue and the event store
//! include them.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use ordershop_benches::sample;
use ordershop_contract::wire::{WireEntity, event_json, json, parse_entity, parse_new_entities};
use ordershop_domain::{Cart, Event, Order};
use serde_json::value::{RawValue, to_raw_value};

/// Pieces in a usual cart and in a large one.
const PIECES: [usize; 2] = [5, 100];
/// Carts in one asynchronous request.
const ARRAY: usize = 1_000;

fn floor_of_reading(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, text: &str) {
    let id = BenchmarkId::new("floor: serde_json into RawValue", name);
    group.bench_function(id, |b| {
        b.iter(|| serde_json::from_str::<&RawValue>(black_box(text)).is_ok());
    });
}

fn read_one<E: WireEntity>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, entity: &E) {
    let text = json(entity);
    assert!(parse_entity::<E>(text.get()).is_ok_and(|read| read == *entity));
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::new("parse_entity", name), |b| {
        b.iter(|| parse_entity::<E>(black_box(text.get())));
    });
    floor_of_reading(group, name, text.get());
}

fn reading(c: &mut Criterion) {
    let mut group = c.benchmark_group("read entity JSON");
    read_one(&mut group, "order", &sample::order(1));
    for pieces in PIECES {
        let name = format!("cart of {pieces}");
        read_one(&mut group, &name, &sample::cart(1, pieces));
    }
    let carts: Vec<Cart> = (0..ARRAY)
        .map(|n| Cart {
            entity_id: String::new(),
            ..sample::cart(n, PIECES[0])
        })
        .collect();
    let params = json(&carts);
    assert!(parse_new_entities::<Cart>(&params).is_ok_and(|(read, _)| read == carts));
    let name = format!("array of {ARRAY} carts of {}", PIECES[0]);
    group.throughput(Throughput::Elements(ARRAY as u64));
    group.bench_function(BenchmarkId::new("parse_new_entities", &name), |b| {
        b.iter_with_large_drop(|| parse_new_entities::<Cart>(black_box(&params)));
    });
    floor_of_reading(&mut group, &name, params.get());
    group.finish();
}

fn write_one<E: WireEntity>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, entity: E) {
    let text = json(&entity);
    let event = Event::Updated(entity);
    group.bench_function(BenchmarkId::new("event_json", name), |b| {
        b.iter(|| event_json(black_box(&event)));
    });
    let id = BenchmarkId::new("floor: serde_json from RawValue", name);
    group.bench_function(id, |b| b.iter(|| to_raw_value(black_box(&*text)).is_ok()));
}

fn writing(c: &mut Criterion) {
    let mut group = c.benchmark_group("write entity JSON");
    group.throughput(Throughput::Elements(1));
    write_one::<Order>(&mut group, "order", sample::order(1));
    for pieces in PIECES {
        write_one(
            &mut group,
            &format!("cart of {pieces}"),
            sample::cart(1, pieces),
        );
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = ordershop_benches::criterion();
    targets = reading, writing
}
criterion_main!(benches);
