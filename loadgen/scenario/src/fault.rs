//! Planned faults: what goes wrong on purpose, and when. Must not know how a fault is carried out.

use std::fmt;
use std::time::Duration;

use rand::prelude::{IndexedRandom, SliceRandom};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// The name of the Redis server that holds the system's data.
pub const REDIS: &str = "redis";
/// The name for every process of the system except its Redis.
pub const SYSTEM: &str = "system";
/// The name for any service, in faults that are drawn by lot; the whole system, where services are no processes of their own.
pub const ANY_SERVICE: &str = "service";

/// A planned fault of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Time since the start of the workload.
    pub at: Duration,
    /// What the fault does.
    pub action: FaultAction,
    /// File and line in the scenario, for error messages.
    pub place: String,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultAction {
    /// Stops the process (SIGSTOP) and continues it after `length`.
    Pause {
        /// `redis`, `system`, or a service.
        process: String,
        /// How long the process is stopped.
        length: Duration,
    },
    /// Kills the process (SIGKILL). Its supervisor starts a service or its Redis again, loadgen the system.
    Kill {
        /// `redis`, `system`, or a service.
        process: String,
    },
    /// Disturbs the network between the system and its Redis.
    Network {
        /// What is wrong with it.
        trouble: NetworkTrouble,
        /// How long.
        length: Duration,
    },
    /// Runs a shell command.
    Run {
        /// The command line, as written in the scenario.
        command: String,
    },
}

/// What is wrong with a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkTrouble {
    /// Every connection is closed, and new ones are closed at once.
    Cut,
    /// Connections that are open fall silent without being closed, and are closed at the end; new ones work.
    HalfOpen,
    /// Every piece of data is this late, in both directions.
    Delay(Duration),
}

/// Faults that are drawn by lot from the run's seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Chaos {
    /// Time of the first fault at the earliest, since the start of the workload.
    pub from: Duration,
    /// One fault in each interval of this length, in its first half, so that there is time to recover.
    pub every: Duration,
    /// The faults; each comes once before any comes again.
    pub actions: Vec<FaultAction>,
    /// File and line in the scenario, for error messages.
    pub place: String,
}

impl Chaos {
    /// The faults of a workload of this length. `services` are those that [`ANY_SERVICE`] may mean.
    pub fn schedule(&self, end: Duration, seed: u64, services: &[String]) -> Vec<Fault> {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (mut faults, mut deck) = (Vec::new(), Vec::new());
        let mut start = self.from;
        while start + self.every <= end {
            if deck.is_empty() {
                deck.clone_from(&self.actions);
                deck.shuffle(&mut rng);
            }
            let Some(mut action) = deck.pop() else {
                break;
            };
            if let FaultAction::Pause { process, .. } | FaultAction::Kill { process } = &mut action
                && process == ANY_SERVICE
            {
                let drawn = services.choose(&mut rng);
                *process = drawn.map_or(SYSTEM, String::as_str).to_owned();
            }
            faults.push(Fault {
                at: start + self.every.mul_f64(rng.random_range(0.0..0.5)),
                action,
                place: self.place.clone(),
            });
            start += self.every;
        }
        faults
    }
}

/// In words, as reports show it.
impl fmt::Display for FaultAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause { process, length } => write!(f, "pause {process} for {length:?}"),
            Self::Kill { process } => write!(f, "kill {process}"),
            Self::Network { trouble, length } => match trouble {
                NetworkTrouble::Cut => write!(f, "cut network for {length:?}"),
                NetworkTrouble::HalfOpen => write!(f, "half-open network for {length:?}"),
                NetworkTrouble::Delay(by) => write!(f, "delay network by {by:?} for {length:?}"),
            },
            Self::Run { command } => write!(f, "run {command}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chaos(actions: &[FaultAction]) -> Chaos {
        Chaos {
            from: Duration::from_secs(5),
            every: Duration::from_secs(10),
            actions: actions.to_vec(),
            place: "here".into(),
        }
    }

    fn kill(process: &str) -> FaultAction {
        FaultAction::Kill {
            process: process.into(),
        }
    }

    #[test]
    fn a_seed_draws_the_same_faults_again_and_another_seed_others() {
        let chaos = chaos(&[kill(REDIS), kill(ANY_SERVICE), kill(SYSTEM)]);
        let services = ["a", "b", "c", "d"].map(str::to_owned);
        let schedule = |seed| chaos.schedule(Duration::from_secs(100), seed, &services);
        assert_eq!(schedule(1), schedule(1));
        assert_ne!(schedule(1), schedule(2));
    }

    #[test]
    fn each_fault_has_an_interval_of_its_own_and_time_to_recover() {
        let chaos = chaos(&[kill(REDIS), kill(SYSTEM)]);
        let faults = chaos.schedule(Duration::from_secs(48), 7, &[]);
        assert_eq!(faults.len(), 4);
        for (fault, start_s) in faults.iter().zip([5.0, 15.0, 25.0, 35.0]) {
            let at_s = fault.at.as_secs_f64();
            assert!((start_s..start_s + 5.0).contains(&at_s), "{fault:?}");
        }
        let redis = faults.iter().filter(|fault| fault.action == kill(REDIS));
        assert_eq!(redis.count(), 2, "each comes once before any comes again");
    }

    #[test]
    fn where_no_service_is_a_process_of_its_own_the_system_is_meant() {
        let chaos = chaos(&[kill(ANY_SERVICE)]);
        let drawn = |services: &[String]| chaos.schedule(Duration::from_secs(15), 1, services);
        assert_eq!(drawn(&[])[0].action, kill(SYSTEM));
        assert_eq!(
            drawn(&["mail-service".into()])[0].action,
            kill("mail-service")
        );
    }
}
