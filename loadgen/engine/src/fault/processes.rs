//! The processes of a system that was started here, by the names that scenarios use. No other process is signalled.

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};

use super::proxy::Proxy;
use crate::proc::group_processes;
use loadgen_scenario::fault::{REDIS, SYSTEM};

/// Knows the processes of a system by the names that scenarios use.
pub trait ProcessNames: Send + Sync {
    /// The name that a fault uses for a process; `None` if faults can't use it.
    fn name_of<'a>(&self, process: &'a str) -> Option<&'a str>;

    /// Whether it is one of the system's own: not its database, not a piece of scaffolding.
    fn is_own(&self, process: &str) -> bool;
}

/// A system that was started here.
#[async_trait]
pub trait StartedSystem: Send + Sync {
    /// Its first process, which leads the group of the others; another one after it was started again.
    fn process(&self) -> u32;

    /// The first process, and that of a database on this machine which the system did not start itself: what they and their descendants use
    /// is the system's.
    fn roots(&self) -> Vec<u32> {
        vec![self.process()]
    }

    /// What its processes are called.
    fn names(&self) -> &dyn ProcessNames;

    /// Starts it again at the same address with the same data, after it was killed.
    async fn start_again(&self) -> Result<(), String>;

    /// The network between the system and its database, where this run can disturb it.
    fn network(&self) -> Option<&Proxy>;
}

/// The names of a system's services that are processes of their own.
pub fn services(system: &dyn StartedSystem) -> Vec<String> {
    let mut names = Processes::of(system).names();
    names.retain(|name| name != REDIS && name != SYSTEM);
    names
}

struct Process {
    id: u32,
    name: Option<String>,
    own: bool,
}

/// The system's processes at one moment.
#[derive(Default)]
pub struct Processes {
    all: Vec<Process>,
}

impl Processes {
    /// The processes of this system.
    pub fn of(system: &dyn StartedSystem) -> Self {
        let all = group_processes(&[system.process()]).into_iter();
        let names = system.names();
        let all = all.map(|p| Process {
            id: p.id,
            name: names.name_of(&p.name).map(str::to_owned),
            own: names.is_own(&p.name),
        });
        Self { all: all.collect() }
    }

    /// The names that a fault may use.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = vec![SYSTEM.into()];
        let all = self.all.iter();
        names.extend(all.filter_map(|p| p.name.clone()));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The ids of the processes that a name stands for.
    pub fn named(&self, name: &str) -> Vec<u32> {
        let meant = |p: &&Process| match name {
            SYSTEM => p.own,
            _ => p.name.as_deref() == Some(name),
        };
        self.all.iter().filter(meant).map(|p| p.id).collect()
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

    fn system(processes: &[(Option<&str>, bool)]) -> Processes {
        let all = processes.iter().zip(1..).map(|((name, own), id)| Process {
            id,
            name: name.map(str::to_owned),
            own: *own,
        });
        Processes { all: all.collect() }
    }

    #[test]
    fn a_fault_names_redis_the_system_and_its_services_but_never_the_scaffolding() {
        let (main, guard) = ((None, true), (None, false));
        let (redis, service) = ((Some("redis"), false), (Some("order-service"), true));
        let one = system(&[main, redis, guard]);
        assert_eq!(one.names(), ["redis", "system"]);
        assert_eq!(
            (one.named("redis"), one.named("system")),
            (vec![2], vec![1])
        );
        assert_eq!(one.named("redis-guard"), Vec::<u32>::new());
        let many = system(&[main, redis, service, service, guard]);
        assert_eq!(many.names(), ["order-service", "redis", "system"]);
        assert_eq!(many.named("order-service"), [3, 4]);
        assert_eq!(many.named("system"), [1, 3, 4]);
    }
}
