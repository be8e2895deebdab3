use super::*;

fn exchange(from_us: i64, server: &[(&str, i64)]) -> Exchange {
    Exchange {
        step: "order".into(),
        intended_us: from_us,
        begun_us: from_us + 5,
        connected_us: from_us + 7,
        written_us: from_us + 10,
        first_byte_us: from_us + 110,
        completed_us: from_us + 112,
        server: server.iter().map(|(n, l)| ((*n).into(), *l)).collect(),
    }
}

fn told(topic: &str, received_at_us: i64) -> Told {
    Told {
        topic: topic.into(),
        position: crate::feed::position::Position::default(),
        event_id: String::new(),
        causation_id: String::new(),
        received_at_us,
        submitted_at_us: received_at_us + 8,
        published_at_us: received_at_us + 10,
    }
}

fn parts(way: &Way) -> Vec<(&str, i64)> {
    let mut at_us = way.from_us;
    let parts = way.legs.iter().map(|leg| {
        assert_eq!(leg.from_us, at_us, "a gap before {}", leg.part);
        at_us = leg.to_us;
        (leg.part.as_str(), leg.to_us - leg.from_us)
    });
    parts.collect()
}

const SERVER_SAYS: [(&str, i64); 5] = [
    ("gateway", 10),
    ("queue", 20),
    (HANDLER, 30),
    (APPEND, 15),
    ("reply", 5),
];

#[test]
fn a_request_s_parts_add_up_with_or_without_the_server_s_word() {
    let silent = exchange(1_000, &[]).way();
    assert_eq!(
        parts(&silent),
        [
            (SLIP, 5),
            (CONNECTION, 2),
            (WRITE, 3),
            (SERVER, 100),
            (READ, 2)
        ]
    );
    let told = exchange(1_000, &SERVER_SAYS).way();
    assert_eq!(
        parts(&told),
        [
            (SLIP, 5),
            (CONNECTION, 2),
            (WRITE, 3),
            (UNEXPLAINED, 10),
            ("gateway", 10),
            ("queue", 20),
            (HANDLER, 30),
            (APPEND, 15),
            ("reply", 5),
            (UNEXPLAINED, 10),
            (READ, 2)
        ]
    );
    // A server that reports more than the whole leaves a negative rest.
    let boasting = exchange(1_000, &[("db", 160)]).way();
    assert!(parts(&boasting).contains(&(UNEXPLAINED, -30)));
    assert_eq!(boasting.to_us(), 1_112);
}

#[test]
fn a_state_s_parts_lead_over_every_hop_to_the_moment_it_is_visible() {
    let exchanges = [exchange(0, &[]), exchange(1_000, &SERVER_SAYS)];
    let (first, second) = (told("order", 1_050), told("order", 1_200));
    let projected = Projected {
        received_at_us: 1_300,
        applied_at_us: 1_340,
    };

    let way = to_state(0, 1_400, &exchanges, &[&first, &second], Some(projected));

    assert_eq!(
        parts(&way),
        [
            (EARLIER, 1_000),
            (SLIP, 5),
            (CONNECTION, 2),
            (WRITE, 3),
            (UNEXPLAINED, 10),
            ("gateway", 10),
            ("queue", 20),
            (HANDLER, 8),
            (APPEND, 2),
            (STREAM_WAIT, 140),
            (HANDLER, 8),
            (APPEND, 2),
            (STREAM_WAIT, 90),
            (PROJECTION, 40),
            (FEED, 60)
        ]
    );
    assert_eq!(way.to_us() - way.from_us, 1_400);
}

#[test]
fn what_is_not_known_of_a_state_s_way_is_unexplained() {
    let exchanges = [exchange(1_000, &SERVER_SAYS)];
    let event = told("order", 1_050);
    let without_projection = to_state(1_000, 1_400, &exchanges, &[&event], None);
    assert_eq!(parts(&without_projection).last(), Some(&(UNEXPLAINED, 340)));
    let without_events = to_state(1_000, 1_400, &exchanges, &[], None);
    assert_eq!(
        parts(&without_events),
        [(SLIP, 5), (CONNECTION, 2), (WRITE, 3), (UNEXPLAINED, 390)]
    );
    let without_anything = to_state(1_000, 1_400, &[], &[], None);
    assert_eq!(parts(&without_anything), [(UNEXPLAINED, 400)]);
}

#[test]
fn another_machine_s_clock_shows_as_a_negative_part_and_the_sum_holds() {
    let exchanges = [exchange(1_000, &SERVER_SAYS)];
    let event = told("order", 500);
    let way = to_state(1_000, 1_400, &exchanges, &[&event], None);
    assert!(parts(&way).contains(&(UNEXPLAINED, -540)));
    let sum: i64 = parts(&way).iter().map(|(_, length)| length).sum();
    assert_eq!(sum, 400);
}
