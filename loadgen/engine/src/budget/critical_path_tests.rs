use super::*;

fn request(from_us: i64, server: &[(&str, i64)]) -> AnsweredRequest {
    AnsweredRequest {
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

fn told(topic: &str, received_at_us: i64) -> ReportedEvent {
    ReportedEvent {
        topic: topic.into(),
        partition: 0,
        position: crate::feed::position::FeedPosition::default(),
        event_id: String::new(),
        causation_id: String::new(),
        received_at_us,
        submitted_at_us: received_at_us + 8,
        published_at_us: received_at_us + 10,
    }
}

fn parts(path: &CriticalPath) -> Vec<(&str, i64)> {
    let mut at_us = path.from_us;
    let parts = path.segments.iter().map(|segment| {
        assert_eq!(segment.from_us, at_us, "a gap before {}", segment.part);
        at_us = segment.to_us;
        (segment.part.as_str(), segment.to_us - segment.from_us)
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
    let silent = request(1_000, &[]).path();
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
    let told = request(1_000, &SERVER_SAYS).path();
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
    let boasting = request(1_000, &[("db", 160)]).path();
    assert!(parts(&boasting).contains(&(UNEXPLAINED, -30)));
    assert_eq!(boasting.to_us(), 1_112);
}

#[test]
fn a_state_s_parts_lead_over_every_hop_to_the_moment_it_is_visible() {
    let requests = [request(0, &[]), request(1_000, &SERVER_SAYS)];
    let (first, second) = (told("order", 1_050), told("order", 1_200));
    let projected = Projected {
        received_at_us: 1_300,
        applied_at_us: 1_340,
    };

    let path = to_state(0, 1_400, &requests, &[&first, &second], Some(projected));

    assert_eq!(
        parts(&path),
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
    assert_eq!(path.to_us() - path.from_us, 1_400);
}

#[test]
fn what_is_not_known_of_a_state_s_way_is_unexplained() {
    let requests = [request(1_000, &SERVER_SAYS)];
    let event = told("order", 1_050);
    let without_projection = to_state(1_000, 1_400, &requests, &[&event], None);
    assert_eq!(parts(&without_projection).last(), Some(&(UNEXPLAINED, 340)));
    let without_events = to_state(1_000, 1_400, &requests, &[], None);
    assert_eq!(
        parts(&without_events),
        [(SLIP, 5), (CONNECTION, 2), (WRITE, 3), (UNEXPLAINED, 390)]
    );
    let without_anything = to_state(1_000, 1_400, &[], &[], None);
    assert_eq!(parts(&without_anything), [(UNEXPLAINED, 400)]);
}

#[test]
fn another_machine_s_clock_shows_as_a_negative_part_and_the_sum_holds() {
    let requests = [request(1_000, &SERVER_SAYS)];
    let event = told("order", 500);
    let path = to_state(1_000, 1_400, &requests, &[&event], None);
    assert!(parts(&path).contains(&(UNEXPLAINED, -540)));
    let sum: i64 = parts(&path).iter().map(|(_, length)| length).sum();
    assert_eq!(sum, 400);
}
