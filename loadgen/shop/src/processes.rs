//! The processes of an OrderShop, by the names that scenarios use.

use crate::order_shop::OrderShop;
use loadgen_engine::fault::ProcessNames;
use loadgen_scenario::fault::REDIS;

/// The names of Redis server programs.
pub const REDIS_PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// The prefix of the system's process names.
const PROGRAM: &str = "ordershop ";
/// The process that ends an abandoned Redis: it is not part of the system.
const GUARD: &str = "ordershop redis-guard";
/// The process that starts the others again.
const MAIN: &str = "ordershop up";

impl ProcessNames for OrderShop {
    fn name_of<'a>(&self, process: &'a str) -> Option<&'a str> {
        if REDIS_PROGRAMS.contains(&process) {
            return Some(REDIS);
        }
        let service = process.strip_prefix(PROGRAM)?;
        (process != GUARD && process != MAIN).then_some(service)
    }

    fn is_own(&self, process: &str) -> bool {
        process.starts_with(PROGRAM.trim_end()) && process != GUARD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_named_as_faults_name_them() {
        for (process, name, own) in [
            ("ordershop up", None, true),
            ("ordershop order-service", Some("order-service"), true),
            ("ordershop redis-guard", None, false),
            ("redis-server", Some("redis"), false),
            ("valkey-server", Some("redis"), false),
        ] {
            assert_eq!(OrderShop.name_of(process), name, "{process}");
            assert_eq!(OrderShop.is_own(process), own, "{process}");
        }
    }
}
