//! The processes of a system that was started here, by the names that scenarios use. No other process is signalled.

use rustix::process::{Pid, Signal, kill_process};

use crate::drive::{GroupProcess, group_processes};
use crate::scenario::fault::{REDIS, SYSTEM};

/// The names of Redis server programs.
const REDIS_PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// The prefix of the system's process names.
const PROGRAM: &str = "ordershop ";
/// The process that ends an abandoned Redis: it is not part of the system.
const GUARD: &str = "ordershop redis-guard";
/// The process that starts the others again.
const MAIN: &str = "ordershop up";

/// The system's processes at one moment.
#[derive(Debug, Default)]
pub struct Processes {
    all: Vec<GroupProcess>,
}

impl Processes {
    /// The processes of the system whose first process this is.
    pub fn of(system: u32) -> Self {
        Self {
            all: group_processes(system),
        }
    }

    /// The names that a fault may use.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = vec![SYSTEM.into()];
        let all = self.all.iter();
        names.extend(all.filter_map(|p| name_of(&p.name)).map(str::to_owned));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The ids of the processes that a name stands for.
    pub fn named(&self, name: &str) -> Vec<u32> {
        let meant = |p: &&GroupProcess| match name {
            SYSTEM => p.name.starts_with(PROGRAM.trim_end()) && p.name != GUARD,
            _ => name_of(&p.name) == Some(name),
        };
        self.all.iter().filter(meant).map(|p| p.id).collect()
    }

    /// Whether another process starts these processes again.
    pub fn supervised(&self, name: &str) -> bool {
        name != REDIS && name != SYSTEM && !self.named(name).is_empty()
    }

    /// Stops the processes of this name until the result is dropped.
    pub fn stop(&self, name: &str) -> Result<Stopped, String> {
        let stopped = Stopped(self.named(name));
        self.signal(name, Signal::STOP)?;
        Ok(stopped)
    }

    /// Kills the processes of this name.
    pub fn kill(&self, name: &str) -> Result<(), String> {
        self.signal(name, Signal::KILL)
    }

    fn signal(&self, name: &str, signal: Signal) -> Result<(), String> {
        let ids = self.named(name);
        if ids.is_empty() {
            return Err(format!("there is no process `{name}` any more"));
        }
        ids.into_iter().try_for_each(|id| {
            send(id, signal).map_err(|e| format!("process {id} (`{name}`) can't be signalled: {e}"))
        })
    }
}

/// The name that a fault uses for a process; `None` if faults can't use it.
fn name_of(process: &str) -> Option<&str> {
    if REDIS_PROGRAMS.contains(&process) {
        return Some(REDIS);
    }
    let service = process.strip_prefix(PROGRAM)?;
    (process != GUARD && process != MAIN).then_some(service)
}

fn send(id: u32, signal: Signal) -> rustix::io::Result<()> {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    id.map_or(Err(rustix::io::Errno::SRCH), |id| kill_process(id, signal))
}

/// Stopped processes; dropping it continues them.
pub struct Stopped(Vec<u32>);

impl Drop for Stopped {
    fn drop(&mut self) {
        for id in &self.0 {
            // A process that has ended meanwhile needs no signal.
            send(*id, Signal::CONT).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(names: &[&str]) -> Processes {
        let all = names.iter().zip(1..).map(|(name, id)| GroupProcess {
            id,
            name: (*name).to_owned(),
        });
        Processes { all: all.collect() }
    }

    #[test]
    fn a_fault_names_redis_the_system_and_its_services_but_never_the_scaffolding() {
        let one = system(&["ordershop up", "redis-server", "ordershop redis-guard"]);
        assert_eq!(one.names(), ["redis", "system"]);
        assert_eq!(
            (one.named("redis"), one.named("system")),
            (vec![2], vec![1])
        );
        assert_eq!(one.named("redis-guard"), Vec::<u32>::new());
        let many = system(&[
            "ordershop up",
            "valkey-server",
            "ordershop order-service",
            "ordershop order-service",
            "ordershop redis-guard",
        ]);
        assert_eq!(many.names(), ["order-service", "redis", "system"]);
        assert_eq!(many.named("order-service"), [3, 4]);
        assert_eq!(many.named("system"), [1, 3, 4]);
        assert!(many.supervised("order-service") && !many.supervised("redis"));
    }
}
