//! Reads Redis's usage figures. Knows the fields of `INFO`, nothing of the stored data.

use crate::info::field;
use ordershop_contract::event_store::ServerUsage;

/// Parses the text of `INFO`; `None` if a field is missing.
pub(super) fn usage(info: &str) -> Option<ServerUsage> {
    let field = |name: &str| field(info, name);
    let number = |name: &str| field(name)?.parse::<u64>().ok();
    let cpu_us = |name: &str| {
        let seconds = field(name)?.parse::<f64>().ok()?;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a process's CPU time is neither negative nor half a million years"
        )]
        let micros = (seconds * 1e6).round() as u64;
        Some(micros)
    };
    Some(ServerUsage {
        cpu_us: cpu_us("used_cpu_user")? + cpu_us("used_cpu_sys")?,
        commands: number("total_commands_processed")?,
        calls: info.lines().filter_map(calls).collect(),
        input_bytes: number("total_net_input_bytes")?,
        output_bytes: number("total_net_output_bytes")?,
        memory_bytes: number("used_memory")?,
    })
}

/// The figures of two nodes of a cluster together.
pub(super) fn sum(one: ServerUsage, other: ServerUsage) -> ServerUsage {
    let mut calls = one.calls;
    for (command, count) in other.calls {
        *calls.entry(command).or_default() += count;
    }
    ServerUsage {
        cpu_us: one.cpu_us + other.cpu_us,
        commands: one.commands + other.commands,
        calls,
        input_bytes: one.input_bytes + other.input_bytes,
        output_bytes: one.output_bytes + other.output_bytes,
        memory_bytes: one.memory_bytes + other.memory_bytes,
    }
}

/// The command and the number of its calls in a line such as `cmdstat_xadd:calls=3,usec=40,…`.
fn calls(line: &str) -> Option<(String, u64)> {
    let (command, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
    let (calls, _) = figures.split_once(',')?;
    Some((command.to_owned(), calls.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Memory\r\nused_memory:1048576\r\nused_memory_rss:2\r\n# Stats\r\ntotal_commands_processed:42\r\ntotal_net_input_bytes:1000\r\ntotal_net_output_bytes:2000\r\n# CPU\r\nused_cpu_sys:1.250001\r\nused_cpu_user:2.5\r\nused_cpu_sys_children:9\r\n# Commandstats\r\ncmdstat_xadd:calls=3,usec=40,usec_per_call=13.33,rejected_calls=0,failed_calls=0\r\ncmdstat_xinfo|groups:calls=2,usec=9\r\n";

    #[test]
    fn every_field_is_taken_from_its_own_line() {
        let known = ServerUsage {
            cpu_us: 3_750_001,
            commands: 42,
            calls: [("xadd".to_owned(), 3), ("xinfo|groups".to_owned(), 2)].into(),
            input_bytes: 1_000,
            output_bytes: 2_000,
            memory_bytes: 1_048_576,
        };
        assert_eq!(usage(INFO), Some(known.clone()));
        let both = sum(known.clone(), known);
        assert_eq!((both.commands, both.calls["xadd"]), (84, 6));
    }

    #[test]
    fn a_server_that_leaves_a_field_out_tells_nothing() {
        assert_eq!(usage(&INFO.replace("used_cpu_user:", "x:")), None);
    }
}
