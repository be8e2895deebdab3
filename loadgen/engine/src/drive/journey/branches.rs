//! Steps of a journey side by side. Each branch begins with what the journey knows, and at the same intended start; the journey goes on when
//! the last of them has ended, with all that they set.

use futures_util::future::join_all;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::{JourneyEnd, JourneyRun};
use loadgen_scenario::Step;
use loadgen_scenario::expression::Vars;

impl<'a> JourneyRun<'a> {
    /// Carries the steps out at the same time. If some of them fail or end the journey, the first of those in the file's order decides, after
    /// all have ended.
    pub(super) async fn parallel(&mut self, steps: &'a [Step]) -> Result<(), JourneyEnd> {
        let branches = steps.iter().map(|step| (self.branch(), step));
        let mut branches: Vec<(Self, &Step)> = branches.collect();
        let running = branches.iter_mut().map(|(branch, step)| {
            let step = std::slice::from_ref(*step);
            branch.steps(step)
        });
        let ended = join_all(running).await;
        let mut set = Vars::new();
        let mut first = Ok(());
        for ((branch, _), outcome) in branches.into_iter().zip(ended) {
            let vars = branch.vars.into_iter();
            set.extend(vars.filter(|(name, value)| self.vars.get(name) != Some(value)));
            self.intended = self.intended.max(branch.intended);
            self.keys.extend(branch.keys);
            for (partition, position) in branch.seen {
                self.sees(&partition, position);
            }
            self.promises.extend(branch.promises);
            for (own, of_branch) in self.starts.iter_mut().zip(branch.starts) {
                *own = (*own).max(of_branch);
            }
            if first.is_ok() && outcome.is_err() {
                (self.at, self.is_counted) = (branch.at, branch.is_counted);
                first = outcome;
            }
        }
        self.vars.extend(set);
        first
    }

    /// A journey that knows what this one knows, and is not sampled: the latency budget follows one request at a time.
    fn branch(&mut self) -> Self {
        Self {
            context: self.context,
            customer: self.customer,
            workload: self.workload,
            journey: self.journey,
            vars: self.vars.clone(),
            rng: SmallRng::seed_from_u64(self.rng.random()),
            trace: self.trace,
            sample: None,
            measured: self.measured,
            intended: self.intended,
            starts: self.starts.clone(),
            is_counted: false,
            at: self.at,
            exhausted: None,
            keys: Vec::new(),
            seen: self.seen.clone(),
            promises: Vec::new(),
        }
    }
}
