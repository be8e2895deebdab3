//! Reserving and giving back: all or none, exactly once, and no piece is ever created or lost.

use std::collections::{BTreeMap, HashMap};

use ordershop_domain::{
    AMOUNT_MAX, Inventory, OrderLine, Purchase, Reservation, ReservationChange, ReservationOutcome,
    release, reserve,
};

/// The number of inventories that one order's pieces may come from, written down independently of the code.
const INVENTORIES_MAX: u64 = 5_000;

fn inventory(id: &str, product_id: &str, amount: u64) -> Inventory {
    Inventory {
        entity_id: id.into(),
        product_id: product_id.into(),
        amount,
    }
}

/// A purchase with these lines, in this order. The prices don't matter.
fn lines(lines: &[(&str, u64)]) -> Purchase {
    let lines = lines.iter().map(|&(product_id, quantity)| OrderLine {
        product_id: product_id.into(),
        quantity,
        price: 0,
    });
    Purchase {
        customer_id: "k-1".into(),
        lines: lines.collect(),
        total: 0,
    }
}

/// A purchase of these pieces: a line a product, by product id.
fn purchase(pieces: &[&str]) -> Purchase {
    let mut counted = BTreeMap::new();
    for product_id in pieces {
        *counted.entry(*product_id).or_default() += 1;
    }
    lines(&counted.into_iter().collect::<Vec<_>>())
}

/// The stock as `reserve` expects it: the inventories of each product, in the given order.
fn stock(inventories: &[Inventory]) -> HashMap<String, Vec<Inventory>> {
    let mut stock: HashMap<String, Vec<Inventory>> = HashMap::new();
    for inventory in inventories {
        stock
            .entry(inventory.product_id.clone())
            .or_default()
            .push(inventory.clone());
    }
    stock
}

fn by_id(inventories: &[Inventory]) -> BTreeMap<String, Inventory> {
    inventories
        .iter()
        .map(|inventory| (inventory.entity_id.clone(), inventory.clone()))
        .collect()
}

fn reserved(products: &[&str], inventories: &[Inventory]) -> ReservationChange {
    match reserve("o-1", &purchase(products), &stock(inventories)) {
        ReservationOutcome::Reserved(change) => change,
        short => panic!("{products:?}: {short:?}"),
    }
}

type Pieces<'a> = &'a [(&'a str, u64)];
type PiecesOf<'a> = Vec<(&'a str, u64)>;

/// The (inventory, pieces) pairs of a change: those that its record took, and those that are left.
fn lines_and_rest(change: &ReservationChange) -> (PiecesOf<'_>, PiecesOf<'_>) {
    let lines = change.reservation.lines.iter();
    let rest = change.inventories.iter();
    (
        lines
            .map(|line| (line.inventory_id.as_str(), line.quantity))
            .collect(),
        rest.map(|left| (left.entity_id.as_str(), left.amount))
            .collect(),
    )
}

#[test]
fn pieces_are_summed_and_taken_from_as_many_inventories_as_it_takes() {
    let there = [
        inventory("i-1", "cup", 2),
        inventory("i-2", "cup", 0),
        inventory("i-3", "cup", 3),
        inventory("i-4", "pot", 1),
    ];
    let rows: [(&[&str], Pieces, Pieces); 6] = [
        (&[], &[], &[]),
        (&["cup"], &[("i-1", 1)], &[("i-1", 1)]),
        (&["cup", "cup"], &[("i-1", 2)], &[("i-1", 0)]),
        (
            &["cup", "cup", "cup"],
            &[("i-1", 2), ("i-3", 1)],
            &[("i-1", 0), ("i-3", 2)],
        ),
        (
            &["cup"; 5],
            &[("i-1", 2), ("i-3", 3)],
            &[("i-1", 0), ("i-3", 0)],
        ),
        (
            &["cup", "pot", "cup"],
            &[("i-1", 2), ("i-4", 1)],
            &[("i-1", 0), ("i-4", 0)],
        ),
    ];
    for (products, lines, rest) in rows {
        let change = reserved(products, &there);
        assert_eq!(lines_and_rest(&change), (lines.to_vec(), rest.to_vec()));
        assert_eq!(change.reservation.order_id, "o-1");
        assert_eq!(change.reservation.customer_id, "k-1");
        assert!(!change.reservation.released);
    }
}

#[test]
fn if_one_product_is_short_nothing_is_taken_and_the_first_short_one_is_named() {
    let there = [
        inventory("i-1", "cup", 2),
        inventory("i-2", "cup", 1),
        inventory("i-3", "pot", 0),
    ];
    let rows: [(&[&str], &str, u64, u64); 5] = [
        (&["cup"; 4], "cup", 4, 3),
        (&["cup", "pot"], "pot", 1, 0),
        (&["pot", "pot"], "pot", 2, 0),
        (&["cup", "mug"], "mug", 1, 0),
        (&["mug", "cup", "cup", "cup", "cup"], "cup", 4, 3),
    ];
    for (products, product_id, wanted, available) in rows {
        let outcome = reserve("o-1", &purchase(products), &stock(&there));
        let short = ReservationOutcome::OutOfStock {
            product_id: product_id.into(),
            wanted,
            available,
        };
        assert_eq!(outcome, short, "{products:?}");
    }
}

#[test]
fn a_line_of_no_pieces_takes_nothing_and_needs_no_stock() {
    let there = [inventory("i-1", "cup", 2), inventory("i-2", "pot", 1)];
    let wanted = lines(&[("cup", 2), ("mug", 0), ("pot", 1)]);
    let outcome = reserve("o-1", &wanted, &stock(&there));
    let ReservationOutcome::Reserved(change) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(lines_and_rest(&change).0, [("i-1", 2), ("i-2", 1)]);
}

#[test]
fn pieces_come_from_the_limit_of_inventories_and_from_not_one_more() {
    let ones = |product_id: &str, count: u64| -> Vec<Inventory> {
        (0..count)
            .map(|n| inventory(&format!("{product_id}-{n}"), product_id, 1))
            .collect()
    };
    let mut there = ones("cup", INVENTORIES_MAX + 1);
    there.extend(ones("pot", 2));
    // An empty inventory doesn't count: nothing is taken from it.
    there.insert(0, inventory("cup-empty", "cup", 0));
    let there = stock(&there);
    // (the lines, the product that is short with the pieces that are left for it)
    let rows: [(Pieces, Option<(&str, u64)>); 6] = [
        (&[("cup", INVENTORIES_MAX)], None),
        (
            &[("cup", INVENTORIES_MAX + 1)],
            Some(("cup", INVENTORIES_MAX)),
        ),
        (&[("cup", INVENTORIES_MAX - 1), ("pot", 1)], None),
        (
            &[("cup", INVENTORIES_MAX - 1), ("pot", 2)],
            Some(("pot", 1)),
        ),
        (&[("cup", INVENTORIES_MAX), ("pot", 1)], Some(("pot", 0))),
        (&[("cup", INVENTORIES_MAX), ("pot", 0)], None),
    ];
    for (wanted, short) in rows {
        let outcome = reserve("o-1", &lines(wanted), &there);
        match (&outcome, short) {
            (ReservationOutcome::Reserved(change), None) => {
                let taken = change.reservation.lines.len() as u64;
                assert_eq!(taken, INVENTORIES_MAX, "{wanted:?}");
                assert_eq!(change.inventories.len() as u64, taken, "{wanted:?}");
                let rest = change.inventories.iter().map(|left| left.amount);
                assert_eq!(rest.sum::<u64>(), 0, "{wanted:?}");
            }
            (
                ReservationOutcome::OutOfStock {
                    product_id,
                    available,
                    ..
                },
                Some(expected),
            ) => assert_eq!((product_id.as_str(), *available), expected, "{wanted:?}"),
            _ => panic!("{wanted:?}: {outcome:?}"),
        }
    }
}

#[test]
fn exactly_what_was_taken_comes_back_whatever_happened_to_the_stock_in_between() {
    let there = [inventory("i-1", "cup", 2), inventory("i-2", "cup", 3)];
    let taken = reserved(&["cup"; 4], &there).reservation;
    // (the stock now, the stock after)
    let rows: [(Pieces, Pieces); 6] = [
        (&[("i-1", 0), ("i-2", 1)], &[("i-1", 2), ("i-2", 3)]),
        (&[("i-1", 9), ("i-2", 0)], &[("i-1", 11), ("i-2", 2)]),
        // An inventory it never touched stays as it is.
        (
            &[("i-1", 0), ("i-2", 0), ("i-3", 5)],
            &[("i-1", 2), ("i-2", 2)],
        ),
        // A deleted inventory's pieces are dropped; no other inventory gets them.
        (&[("i-2", 1)], &[("i-2", 3)]),
        (&[], &[]),
        // An inventory never exceeds the maximum, so that clients can write it back.
        (
            &[("i-1", AMOUNT_MAX - 1), ("i-2", AMOUNT_MAX - 2)],
            &[("i-1", AMOUNT_MAX), ("i-2", AMOUNT_MAX)],
        ),
    ];
    for (now, after) in rows {
        let now: Vec<_> = now
            .iter()
            .map(|(id, amount)| inventory(id, "cup", *amount))
            .collect();
        let change = release(&taken, &by_id(&now)).expect("it was never given back");
        assert_eq!(lines_and_rest(&change).1, after);
        assert!(change.reservation.released);
        let kept = Reservation {
            released: false,
            ..change.reservation
        };
        assert_eq!(kept, taken, "the record is kept");
    }
}

#[test]
fn a_reservation_is_given_back_once() {
    let there = [inventory("i-1", "cup", 1)];
    let taken = reserved(&["cup"], &there).reservation;

    let first = release(&taken, &by_id(&there)).expect("the first time");
    let second = release(&first.reservation, &by_id(&first.inventories));

    assert_eq!(second, None);
}

#[test]
fn pieces_do_not_come_back_as_pieces_of_another_product() {
    let taken = reserved(&["cup"], &[inventory("i-1", "cup", 1)]).reservation;

    let change = release(&taken, &by_id(&[inventory("i-1", "mug", 4)])).expect("not given back");

    assert_eq!(change.inventories, []);
    assert!(change.reservation.released);
}

#[test]
fn two_lines_of_one_inventory_come_back_as_one_change() {
    let mut taken = reserved(&["cup"], &[inventory("i-1", "cup", 5)]).reservation;
    taken.lines.push(taken.lines[0].clone());

    let change = release(&taken, &by_id(&[inventory("i-1", "cup", 3)])).expect("not given back");

    assert_eq!(lines_and_rest(&change).1, [("i-1", 5)]);
}

#[test]
fn a_record_in_json_names_order_customer_and_lines() {
    let taken = reserved(&["cup"], &[inventory("i-1", "cup", 1)]).reservation;
    let lines = r#"[{"inventory_id":"i-1","product_id":"cup","quantity":1}]"#;
    let shape =
        format!(r#"{{"order_id":"o-1","customer_id":"k-1","lines":{lines},"released":false}}"#);
    assert_eq!(serde_json::to_string(&taken).expect("it is JSON"), shape);
    let back: Reservation = serde_json::from_str(&shape).expect("its own JSON");
    assert_eq!(back, taken);
}

#[test]
fn a_record_without_customer_or_release_reads_as_of_nobody_and_not_released() {
    let json =
        r#"{"order_id":"o-1","lines":[{"inventory_id":"i-1","product_id":"cup","quantity":2}]}"#;
    let read: Reservation = serde_json::from_str(json).expect("a record");
    assert!(!read.released);
    assert_eq!(read.customer_id, "");
    assert_eq!((read.lines.len(), read.lines[0].quantity), (1, 2));
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, seeded, the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

#[test]
fn in_any_sequence_of_reserving_and_giving_back_amounts_and_reserved_pieces_stay_the_first_sum() {
    const PRODUCTS: [&str; 3] = ["cup", "pot", "jar"];
    let (mut had, mut short, mut given_back, mut repeated) = (0, 0, 0, 0);
    for seed in 0..100 {
        let mut dice = Dice(seed);
        let mut shelf: BTreeMap<String, Inventory> = BTreeMap::new();
        for i in 0..1 + dice.below(7) {
            let id = format!("i-{i}");
            let product = PRODUCTS[dice.below(3) as usize];
            shelf.insert(id.clone(), inventory(&id, product, dice.below(20)));
        }
        let initial: u64 = shelf.values().map(|inventory| inventory.amount).sum();
        let mut reservations: Vec<Reservation> = Vec::new();
        for step in 0..200 {
            let context = format!("seed {seed}, step {step}");
            let change = if reservations.is_empty() || dice.below(2) == 0 {
                let pieces = dice.below(6);
                let wanted: Vec<_> = (0..pieces)
                    .map(|_| PRODUCTS[dice.below(3) as usize])
                    .collect();
                let there: Vec<_> = shelf.values().cloned().collect();
                match reserve(&format!("o-{step}"), &purchase(&wanted), &stock(&there)) {
                    ReservationOutcome::Reserved(change) => {
                        let taken: u64 = change
                            .reservation
                            .lines
                            .iter()
                            .map(|line| line.quantity)
                            .sum();
                        assert_eq!(taken, pieces, "{context}: all or none");
                        reservations.push(change.reservation.clone());
                        had += 1;
                        Some(change)
                    }
                    ReservationOutcome::OutOfStock {
                        product_id,
                        wanted,
                        available,
                    } => {
                        let of_it = there
                            .iter()
                            .filter(|inventory| inventory.product_id == product_id);
                        let sum: u64 = of_it.map(|inventory| inventory.amount).sum();
                        assert_eq!(available, sum, "{context}");
                        assert!(wanted > available, "{context}");
                        short += 1;
                        None
                    }
                }
            } else {
                let chosen = dice.below(reservations.len() as u64) as usize;
                let was_released = reservations[chosen].released;
                let change = release(&reservations[chosen], &shelf);
                assert_eq!(change.is_none(), was_released, "{context}: once");
                match &change {
                    Some(change) => {
                        reservations[chosen] = change.reservation.clone();
                        given_back += 1;
                    }
                    None => repeated += 1,
                }
                change
            };
            for inventory in change.into_iter().flat_map(|change| change.inventories) {
                shelf.insert(inventory.entity_id.clone(), inventory);
            }
            let amounts: u64 = shelf.values().map(|inventory| inventory.amount).sum();
            let held = reservations
                .iter()
                .filter(|reservation| !reservation.released);
            let reserved: u64 = held
                .flat_map(|held| &held.lines)
                .map(|line| line.quantity)
                .sum();
            assert_eq!(amounts + reserved, initial, "{context}");
        }
    }
    // A branch that the loop never took would not have been tested.
    for (what, count) in [
        ("had", had),
        ("short", short),
        ("given back", given_back),
        ("repeated", repeated),
    ] {
        assert!(count > 500, "{what}: only {count}");
    }
}

#[test]
fn two_lines_of_one_product_take_their_sum() {
    let there = [inventory("i-1", "cup", 3)];
    let wanted = |first, second| lines(&[("cup", first), ("cup", second)]);

    let outcome = reserve("o-1", &wanted(2, 2), &stock(&there));
    let short = ReservationOutcome::OutOfStock {
        product_id: "cup".into(),
        wanted: 4,
        available: 3,
    };
    assert_eq!(outcome, short);

    let outcome = reserve("o-1", &wanted(2, 1), &stock(&there));
    let ReservationOutcome::Reserved(change) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        lines_and_rest(&change),
        (vec![("i-1", 3)], vec![("i-1", 0)])
    );
}
