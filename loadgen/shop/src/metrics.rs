//! Reads OrderShop's metrics in Prometheus text. Knows their names; a target without them is not an error.

use std::collections::BTreeMap;

use loadgen_engine::feed::partition::Partition;
use loadgen_engine::scrape::{GroupTopic, LagHistogram, Scrape};

/// The lags of each group by topic and number of its partition.
type PartitionLags = BTreeMap<(GroupTopic, u32), LagHistogram>;

/// The path of the metrics of a target of which these are known: with all buckets of event lag, if they are OrderShop's. No other target is
/// asked for that.
pub fn path(known: &str) -> &'static str {
    match known.lines().any(|line| line.starts_with("ordershop_")) {
        true => "/metrics?buckets=fine",
        false => "/metrics",
    }
}

/// The prefixes of the metrics that are read.
const PREFIXES: [&str; 5] = [
    "ordershop_event_lag_seconds",
    "ordershop_group_backlog",
    "ordershop_redis_",
    "ordershop_append_batch_events_",
    "ordershop_queue_batch_messages_",
];

/// Parses the text format; skips all other lines. The partitions of a topic are added up.
pub fn scrape(text: &str) -> Scrape {
    let mut scrape = Scrape::default();
    let mut lags = PartitionLags::new();
    let of_interest = |l: &&str| PREFIXES.iter().any(|prefix| l.starts_with(prefix));
    for line in text.lines().filter(of_interest) {
        if let Some((name, labels, value)) = split(line) {
            take(&mut scrape, &mut lags, name, &labels, value);
        } else if let Some((name, value)) = line.split_once(' ')
            && let Ok(value) = value.trim().parse()
        {
            take_of_redis(&mut scrape, name, value);
        }
    }
    for ((of, _), mut lag) in lags {
        lag.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        scrape.event_lag.entry(of).or_default().add(&lag);
    }
    scrape
}

fn take_of_redis(scrape: &mut Scrape, name: &str, value: f64) {
    let redis = scrape.redis.get_or_insert_default();
    match name {
        "ordershop_redis_cpu_seconds_total" => redis.cpu_s = value,
        "ordershop_redis_commands_total" => redis.commands = value,
        "ordershop_redis_input_bytes_total" => redis.input_bytes = value,
        "ordershop_redis_output_bytes_total" => redis.output_bytes = value,
        "ordershop_redis_memory_bytes" => redis.memory_bytes = value,
        _ => {}
    }
}

fn take(
    scrape: &mut Scrape,
    lags: &mut PartitionLags,
    name: &str,
    labels: &BTreeMap<&str, String>,
    value: f64,
) {
    match name {
        "ordershop_append_batch_events_sum" => scrape.append_batches.entries += value,
        "ordershop_append_batch_events_count" => scrape.append_batches.count += value,
        "ordershop_queue_batch_messages_sum" => scrape.queue_batches.entries += value,
        "ordershop_queue_batch_messages_count" => scrape.queue_batches.count += value,
        "ordershop_redis_calls_total" => {
            let calls = &mut scrape.redis.get_or_insert_default().calls;
            let command = labels.get("command").cloned();
            calls.extend(command.map(|command| (command, value)));
        }
        _ => {}
    }
    let (Some(group), Some(partition)) = (labels.get("group"), labels.get("topic")) else {
        return;
    };
    let Partition { topic, number } = Partition::parse(partition);
    let of = GroupTopic {
        group: group.clone(),
        topic: topic.to_owned(),
    };
    match name {
        "ordershop_group_backlog" => {
            *scrape.backlog.entry(of).or_default() += value.max(0.0) as u64;
        }
        "ordershop_event_lag_seconds_sum" => lags.entry((of, number)).or_default().sum_s = value,
        "ordershop_event_lag_seconds_bucket" => {
            let bound = labels
                .get("le")
                .and_then(|le| le.trim_start_matches('+').parse().ok());
            if let Some(bound) = bound {
                let lag = lags.entry((of, number)).or_default();
                lag.buckets.push((bound, value as u64));
            }
        }
        _ => {}
    }
}

/// Parses `name{label="value",…} number`.
pub(crate) fn split(line: &str) -> Option<(&str, BTreeMap<&str, String>, f64)> {
    let (name, rest) = line.split_once('{')?;
    let (inside, value) = rest.rsplit_once('}')?;
    let value = value.split_whitespace().next()?.parse().ok()?;
    let mut labels = BTreeMap::new();
    let mut rest = inside;
    while let Some((label, tail)) = rest.split_once("=\"") {
        let end = tail
            .char_indices()
            .find(|(i, c)| *c == '"' && !tail[..*i].ends_with('\\'))?
            .0;
        labels.insert(
            label.trim_matches([',', ' ']),
            tail[..end].replace("\\\"", "\""),
        );
        rest = &tail[end + 1..];
    }
    Some((name, labels, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadgen_engine::scrape::Batches;

    fn text(counts: [u64; 3], backlog: u64) -> String {
        let bucket = |le: &str, n: u64| {
            format!(
                "ordershop_event_lag_seconds_bucket{{group=\"crm-service\",topic=\"order\",le=\"{le}\"}} {n}\n"
            )
        };
        let bounds = [
            bucket("0.001", counts[0]),
            bucket("0.01", counts[1]),
            bucket("+Inf", counts[2]),
        ]
        .concat();
        format!(
            "# HELP x\n{bounds}ordershop_event_lag_seconds_sum{{group=\"crm-service\",topic=\"order\"}} 0.5\nordershop_group_backlog{{group=\"crm-service\",topic=\"order\"}} {backlog}\n"
        )
    }

    #[test]
    fn lag_is_the_difference_of_two_looks_and_at_most_its_buckets_bound() {
        let (before, after) = (
            scrape(&text([100, 100, 100], 3)),
            scrape(&text([190, 200, 200], 0)),
        );
        let lag = after.lag_since(&before);
        assert_eq!(
            (lag.count, lag.p50_us, lag.p99_us, lag.max_us),
            (100, 1_000.0, 10_000.0, 10_000.0)
        );
        assert_eq!((before.backlog_total(), after.backlog_total()), (3, 0));
    }

    #[test]
    fn the_partitions_of_a_topic_are_one_row_with_all_their_events() {
        let [order, order_1] = ["order", "order.1"].map(|name| {
            move |counts, backlog| {
                let label = format!("topic=\"{name}\"");
                text(counts, backlog).replace("topic=\"order\"", &label)
            }
        });
        let before = scrape(&(order([10, 10, 10], 3) + &order_1([0, 0, 0], 4)));
        let after = scrape(&(order([50, 60, 60], 1) + &order_1([10, 40, 50], 2)));
        let of = GroupTopic {
            group: "crm-service".into(),
            topic: "order".into(),
        };
        assert_eq!(after.event_lag.keys().collect::<Vec<_>>(), [&of]);
        let lag = &after.event_lag[&of];
        assert_eq!(lag.sum_s, 1.0);
        // 40 + 10, 50 + 40 and 50 + 50 since the earlier reading.
        let since = lag.since(before.event_lag.get(&of));
        let counts: Vec<u64> = since.buckets.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [50, 90, 100]);
        assert_eq!((before.backlog[&of], after.backlog[&of]), (7, 3));
        assert_eq!(after.backlog.len(), 1);
    }

    #[test]
    fn a_target_that_was_started_again_counts_from_nothing() {
        let (before, after) = (
            scrape(&text([100, 100, 100], 0)),
            scrape(&text([7, 7, 7], 0)),
        );
        assert_eq!(after.lag_since(&before).count, 7);
    }

    #[test]
    fn the_work_of_redis_and_the_size_of_batches_are_read() {
        let text = "ordershop_redis_commands_total 42\nordershop_redis_cpu_seconds_total 1.5\nordershop_redis_memory_bytes 7\n\
            ordershop_redis_calls_total{command=\"xinfo|groups\"} 3\n\
            ordershop_append_batch_events_sum{topic=\"order\"} 30\nordershop_append_batch_events_count{topic=\"order\"} 10\n\
            ordershop_append_batch_events_sum{topic=\"cart\"} 10\nordershop_append_batch_events_count{topic=\"cart\"} 10\n";
        let scrape = scrape(text);
        let redis = scrape.redis.unwrap_or_default();
        assert_eq!(
            (redis.commands, redis.cpu_s, redis.memory_bytes),
            (42.0, 1.5, 7.0)
        );
        assert_eq!(redis.calls, [("xinfo|groups".to_owned(), 3.0)].into());
        let none = Batches::default();
        assert_eq!(scrape.append_batches.mean_since(&none), Some(2.0));
        assert_eq!(scrape.queue_batches.mean_since(&none), None);
    }

    #[test]
    fn only_ordershop_is_asked_for_fine_buckets() {
        for (known, expected) in [
            ("", "/metrics"),
            ("go_threads 3\n", "/metrics"),
            (&text([0, 0, 0], 0), "/metrics?buckets=fine"),
        ] {
            assert_eq!(path(known), expected, "{known}");
        }
    }

    #[test]
    fn what_is_no_metric_of_interest_is_passed_over() {
        assert_eq!(
            scrape("go_threads 3\nnonsense{ 1\nordershop_group_backlog{group=\"a\"} x\n")
                .backlog_total(),
            0
        );
    }
}
