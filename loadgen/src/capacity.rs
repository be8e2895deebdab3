//! Searches for the highest rate that a target sustains: each probe is a run at one constant rate, until the gap between the highest
//! sustained rate and the lowest rate that is not sustained is narrow enough. Must not know how anything is shown.

mod search;

use std::path::Path;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

pub use search::{Range, Search, SearchStep};

use crate::run::{RunError, RunOptions, run};
use loadgen_report::Report;
use loadgen_report::capacity::{CapacityResult, Findings, Judged, Probe};
use loadgen_scenario::Scenario;

/// The plan of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchPlan {
    /// The rates to search.
    pub range: Range,
    /// The time budget: no probe starts that would end after it.
    pub budget: Duration,
    /// The estimated duration of a probe, used until the first probe has been measured.
    pub probe: Duration,
}

/// A search ends after this many probes that other programs disturbed.
const DISTURBED_MAX: usize = 3;

/// A search in progress.
struct Searching {
    search: Search,
    probes: Vec<Probe>,
    /// The time that its own probes have taken.
    used: Duration,
    /// The longest probe so far, or the estimate.
    longest: Duration,
    result: Option<CapacityResult>,
}

impl Searching {
    fn new(plan: &SearchPlan) -> Self {
        Self {
            search: Search::default(),
            probes: Vec::new(),
            used: Duration::ZERO,
            longest: plan.probe,
            result: None,
        }
    }

    /// The next rate to try; without one the search has ended.
    fn next(&mut self, plan: &SearchPlan) -> Option<f64> {
        if self.result.is_some() {
            return None;
        }
        let ended = match self.search.next(&plan.range) {
            SearchStep::Try(_) if self.used + self.longest > plan.budget => CapacityResult::Budget,
            SearchStep::Try(rate) => return Some(rate),
            SearchStep::Found { .. } => CapacityResult::Found,
            SearchStep::AtLeast(_) => CapacityResult::AtLeast,
            SearchStep::Limited { .. } => CapacityResult::Limited,
            SearchStep::None(_) => CapacityResult::None,
        };
        self.result = Some(ended);
        None
    }

    fn tell(&mut self, probe: Probe, took: Duration) {
        self.used += took;
        self.longest = self.longest.max(took);
        self.search.tell(probe.rate_per_s, probe.judged);
        self.probes.push(probe);
        let disturbed = self.probes.iter().filter(|p| p.judged == Judged::Disturbed);
        if disturbed.count() == DISTURBED_MAX {
            self.result = Some(CapacityResult::Disturbed);
        }
    }

    /// What was found; `lost` ended every search that had not ended.
    fn findings(self, lost: Option<&String>) -> Findings {
        let (rate_per_s, exceeded_per_s) = self.search.bracket();
        let lost = lost.filter(|_| self.result.is_none()).cloned();
        let broken_off = match lost {
            Some(_) => CapacityResult::Invalid,
            None => CapacityResult::Stopped,
        };
        Findings {
            result: self.result.unwrap_or(broken_off),
            rate_per_s,
            exceeded_per_s,
            lost,
            probes: self.probes,
        }
    }
}

/// Searches for the capacity of several systems, which take turns: each has its own search and its own budget. Calls `probe` with the
/// system's index, and the number and the rate of its next probe. An agent that is lost ends all searches.
///
/// # Errors
/// A probe could not be carried out.
pub async fn find(
    plan: &SearchPlan,
    systems: usize,
    stop: &CancellationToken,
    mut probe: impl AsyncFnMut(usize, usize, f64) -> Result<Probe, RunError>,
) -> Result<Vec<Findings>, RunError> {
    let mut all: Vec<Searching> = (0..systems).map(|_| Searching::new(plan)).collect();
    let mut lost = None;
    while all.iter().any(|search| search.result.is_none()) && !stop.is_cancelled() && lost.is_none()
    {
        for (system, search) in all.iter_mut().enumerate() {
            let Some(rate) = search.next(plan) else {
                continue;
            };
            let began = Instant::now();
            let probed = probe(system, search.probes.len() + 1, rate).await;
            if matches!(probed, Err(RunError::Stopped)) {
                // The run may hear the signal first.
                stop.cancel();
            }
            if stop.is_cancelled() {
                // A probe that was interrupted says nothing about its rate.
                break;
            }
            let probe = match probed {
                Err(RunError::AgentLost(why)) => {
                    lost = Some(why);
                    break;
                }
                probed => probed?,
            };
            if probe.judged == Judged::Invalid {
                lost = Some(probe.reasons.join("; "));
            }
            search.tell(probe, began.elapsed());
            if lost.is_some() {
                break;
            }
        }
    }
    let findings = all.into_iter().map(|search| search.findings(lost.as_ref()));
    Ok(findings.collect())
}

/// Probes a rate by one run of the scenario, whose workload is already set to the rate. A report that can't be written is measured all the
/// same; `warn` is told.
///
/// # Errors
/// The run can't be carried out.
pub async fn measure(
    number: usize,
    rate: f64,
    scenario: Scenario,
    options: RunOptions,
    warn: impl FnOnce(&RunError),
) -> Result<(Probe, Report), RunError> {
    let folder = folder_name(options.out.path());
    let limits = scenario.limits.clone();
    let report = run(scenario, options).await.or_else(|error| {
        if let RunError::Unwritten { .. } = &error {
            warn(&error);
        }
        match error {
            RunError::Unwritten { report, .. } => Ok(*report),
            error => Err(error),
        }
    })?;
    Ok((Probe::new(number, rate, folder, &report, &limits), report))
}

fn folder_name(path: &Path) -> String {
    let name = path.file_name();
    name.map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadgen_report::Quantiles;
    use loadgen_report::growth::Growth;

    fn plan(budget_s: u64) -> SearchPlan {
        SearchPlan {
            range: Range {
                start: 100.0,
                lowest: 1.0,
                highest: 1e6,
                precision: 0.05,
            },
            budget: Duration::from_secs(budget_s),
            probe: Duration::from_secs(10),
        }
    }

    fn probed(number: usize, rate: f64) -> Probe {
        Probe {
            number,
            rate_per_s: rate,
            reached_per_s: rate.min(750.0),
            failed_per_s: 0.0,
            response_time_us: Quantiles::default(),
            end_to_end_us: None,
            growth: Growth::default(),
            lost_pct: 0.0,
            in_flight_max: 0,
            cpu_pct: Vec::new(),
            judged: match rate <= 750.0 {
                true => Judged::Holds,
                false => Judged::FarExceeds,
            },
            reasons: Vec::new(),
            saturated: Vec::new(),
            folder: String::new(),
        }
    }

    #[tokio::test]
    async fn probes_are_made_until_the_limit_is_known_and_kept_in_their_order() {
        let stop = CancellationToken::new();
        let found = find(&plan(60), 1, &stop, async |_, n, rate| Ok(probed(n, rate))).await;
        let found = found.unwrap().remove(0);
        assert_eq!(found.result, CapacityResult::Found);
        let (rate, exceeded) = (found.rate_per_s.unwrap(), found.exceeded_per_s.unwrap());
        assert!(rate <= 750.0 && exceeded > 750.0 && exceeded <= rate * 1.05);
        let rates: Vec<f64> = found.probes.iter().map(|p| p.rate_per_s).collect();
        assert_eq!(rates[..4], [100.0, 200.0, 400.0, 800.0]);
        let numbers = found.probes.iter().map(|p| p.number);
        assert!(numbers.eq(1..=found.probes.len()));
    }

    #[tokio::test]
    async fn a_disturbed_probe_says_nothing_of_its_rate_and_the_third_one_ends_the_search() {
        let stop = CancellationToken::new();
        let disturbed_at = |numbers: &'static [usize]| {
            async move |_: usize, n: usize, rate: f64| {
                let mut probe = probed(n, rate);
                if numbers.contains(&n) {
                    probe.judged = Judged::Disturbed;
                }
                Ok(probe)
            }
        };
        let found = find(&plan(60), 1, &stop, disturbed_at(&[2, 5])).await;
        let found = found.unwrap().remove(0);
        assert_eq!(found.result, CapacityResult::Found);
        let rates: Vec<f64> = found.probes.iter().map(|p| p.rate_per_s).collect();
        assert_eq!(rates[..6], [100.0, 200.0, 200.0, 400.0, 800.0, 800.0]);
        let given_up = find(&plan(60), 1, &stop, disturbed_at(&[2, 3, 5])).await;
        let given_up = given_up.unwrap().remove(0);
        assert_eq!(given_up.result, CapacityResult::Disturbed);
        assert_eq!(given_up.probes.len(), 5);
        assert_eq!(given_up.rate_per_s, Some(200.0));
    }

    #[tokio::test]
    async fn a_search_that_is_stopped_or_out_of_time_says_what_is_known() {
        let stop = CancellationToken::new();
        let broken_off = async |_: usize, n: usize, rate: f64| {
            if n == 5 {
                stop.cancel();
            }
            Ok(probed(n, rate))
        };
        let stopped = find(&plan(60), 1, &stop, broken_off).await;
        let stopped = stopped.unwrap().remove(0);
        assert_eq!(stopped.result, CapacityResult::Stopped);
        let known = (stopped.rate_per_s, stopped.exceeded_per_s);
        assert_eq!(known, (Some(400.0), Some(800.0)));
        // A run may hear the signal before the search does.
        let unheard = CancellationToken::new();
        let first = async |_: usize, n: usize, rate: f64| match n {
            5 => Err(RunError::Stopped),
            _ => Ok(probed(n, rate)),
        };
        let first = find(&plan(60), 1, &unheard, first).await.unwrap().remove(0);
        assert_eq!(first.result, CapacityResult::Stopped);
        assert_eq!((first.rate_per_s, first.exceeded_per_s), known);
        let never = CancellationToken::new();
        let broke = find(&plan(9), 1, &never, async |_, n, rate| Ok(probed(n, rate))).await;
        assert_eq!(broke.unwrap()[0].result, CapacityResult::Budget);
    }

    #[tokio::test]
    async fn an_agent_that_is_lost_ends_every_search_and_what_is_known_stays() {
        let (plan, never) = (plan(60), CancellationToken::new());
        let in_the_probe = find(&plan, 2, &never, async |system, n, rate| {
            let mut probe = probed(n, rate);
            if (system, n) == (0, 5) {
                probe.judged = Judged::Invalid;
                probe.reasons = vec!["the agent x was lost: why".to_owned()];
            }
            Ok(probe)
        });
        let before_it = find(&plan, 2, &never, async |system, n, rate| {
            match (system, n) {
                (0, 5) => Err(RunError::AgentLost("the agent x was lost: why".to_owned())),
                _ => Ok(probed(n, rate)),
            }
        });
        for (found, probes) in [(in_the_probe.await, [5, 4]), (before_it.await, [4, 4])] {
            for (found, probes) in found.unwrap().iter().zip(probes) {
                assert_eq!(found.result, CapacityResult::Invalid);
                assert_eq!(found.lost.as_deref(), Some("the agent x was lost: why"));
                assert_eq!(found.probes.len(), probes);
                let known = (found.rate_per_s, found.exceeded_per_s);
                assert_eq!(known, (Some(400.0), Some(800.0)));
            }
        }
    }

    #[test]
    fn the_cpu_of_agents_is_not_that_of_this_machine() {
        let mut probe = probed(1, 100.0);
        let cpu = [("ordershop", 90.0), ("agent 10.0.0.7:7070", 80.0)];
        probe.cpu_pct = cpu.map(|(name, pct)| (name.to_owned(), pct)).to_vec();
        assert_eq!(probe.cpu_sum_pct(), 90.0);
    }

    #[tokio::test]
    async fn several_systems_take_turns_and_each_has_its_own_answer() {
        let never = CancellationToken::new();
        let mut order = Vec::new();
        let plan = plan(60);
        let found = find(&plan, 2, &never, async |system, n, rate| {
            order.push(system);
            let mut probe = probed(n, rate);
            if system == 1 && rate > 300.0 {
                probe.judged = Judged::FarExceeds;
            }
            Ok(probe)
        });
        let found = found.await.unwrap();

        assert_eq!(order[..6], [0, 1, 0, 1, 0, 1]);
        assert!(found[0].rate_per_s > Some(700.0) && found[1].rate_per_s <= Some(300.0));
        let results = found.iter().map(|f| f.result);
        assert!(results.clone().all(|r| r == CapacityResult::Found));
    }
}
