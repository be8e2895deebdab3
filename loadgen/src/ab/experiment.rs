//! Carries out an experiment: a discarded run of each side, then blocks until the stopping rule ends it. The only file of this module
//! that starts runs.

use std::path::Path;
use std::time::{Duration, Instant};

use super::display::{self, ExperimentDisplay};
use super::error::AbError;
use super::options::{AbOptions, Build};
use super::order::{self, Side};
use super::record::{AbRecord, BuildRecord, RunRecord, SCHEMA};
use super::stopping::{ExperimentProgress, StopReason};
use crate::out_folder::OutFolder;
use crate::run::{Interrupts, RunError, RunObservers, RunOptions, run};
use loadgen_engine::http_client::{ConnectOptions, ProxyChoice};
use loadgen_report::compare::{self, CompareError, Comparison, ComparisonVerdict, Group, Scale};
use loadgen_report::folder::RunFolder;
use loadgen_report::{VerdictResult, said_lost};
use loadgen_scenario::Scenario;
use loadgen_scenario::expression::unix_seconds;

/// The folder for runs whose block does not count.
const LEFT_OUT: &str = "left-out";

/// The outcome of an experiment.
pub struct ExperimentOutcome {
    /// How the experiment was made.
    pub record: AbRecord,
    /// The comparisons of the blocks that count: of each candidate with the baseline.
    pub comparisons: Vec<Comparison>,
    /// The runs of the blocks that count, side by side.
    pub groups: Vec<Group>,
}

/// Carries out an experiment; each run reads the scenario again.
///
/// # Errors
/// See [`AbError`].
pub async fn experiment(
    scenario: &dyn Fn() -> Result<Scenario, String>,
    options: AbOptions,
    interrupts: &mut Interrupts,
) -> Result<ExperimentOutcome, AbError> {
    let record = AbRecord {
        schema: SCHEMA.to_owned(),
        scenario: scenario().map_err(AbError::Scenario)?.name,
        seed: options.seed,
        started_at: unix_seconds(),
        elapsed_s: 0.0,
        sides: Side::ALL
            .into_iter()
            .zip(options.sides.iter().map(of_build))
            .collect(),
        null_control: options.null_control,
        audit: options.audit,
        blocks_max: options.limits.blocks_max,
        precision: options.limits.precision,
        budget_s: options.limits.budget.as_secs_f64(),
        runs: Vec::new(),
        ended: None,
        lost: None,
    };
    let mut experiment = Experiment {
        scenario,
        options: &options,
        interrupts,
        record,
        opened: Vec::new(),
        display: ExperimentDisplay::new(),
        run_max: Duration::ZERO,
        spoiled: 0,
    };
    let ended = experiment.carry_out().await;
    experiment.display.finish();
    let ended = ended?;
    experiment.record.ended = Some(ended);
    experiment.record.write(&options.out)?;
    let Some(mut comparisons) = experiment.compare().transpose()? else {
        let why = match (experiment.record.lost, experiment.spoiled) {
            (Some(lost), _) => format!("INVALID: {lost}"),
            (None, 0) => ended.as_str().to_owned(),
            (None, n) => format!("{n} blocks had an INVALID run"),
        };
        return Err(AbError::NoBlocks(why, options.out.clone()));
    };
    let groups = experiment.groups();
    let record = experiment.record;
    for comparison in &mut comparisons {
        comparison.warnings.extend(record.warnings());
        if let Some(lost) = &record.lost {
            // A gate must not pass or fail by an experiment that neither its stopping rule nor the user has ended.
            comparison.verdict = ComparisonVerdict::CantTell;
            comparison.reasons = vec![format!(
                "INVALID: {lost}; only complete blocks are compared"
            )];
        }
    }
    Ok(ExperimentOutcome {
        record,
        comparisons,
        groups,
    })
}

fn of_build(build: &Build) -> BuildRecord {
    BuildRecord {
        label: build.label.clone(),
        command: build.plan.to_string(),
        asked: build.asked.clone(),
        revision: build.revision.clone(),
    }
}

struct Experiment<'a> {
    scenario: &'a dyn Fn() -> Result<Scenario, String>,
    options: &'a AbOptions,
    interrupts: &'a mut Interrupts,
    record: AbRecord,
    /// The runs of the blocks that count.
    opened: Vec<(Side, u32, RunFolder)>,
    display: ExperimentDisplay,
    run_max: Duration,
    spoiled: usize,
}

impl Experiment<'_> {
    async fn carry_out(&mut self) -> Result<StopReason, AbError> {
        let mut warmed = Vec::new();
        for side in self.sides() {
            self.display.warming(side);
            let folder = self.options.out.join("warm-up").join(side.folder());
            let verdict = self.run_once(side, self.options.seed, &folder).await?;
            if verdict.is_none() || self.is_over().await {
                return Ok(self.ending());
            }
            let label = self.build(side).label.clone();
            let run = RunFolder::open(&folder)?;
            warmed.push(Group::new(label, vec![run]).asked(self.build(side).asked.clone()));
        }
        // Now, instead of after the first block.
        for candidate in &warmed[1..] {
            compare::check(&warmed[0], candidate, &self.options.compare)?;
        }
        let warm_up = self.options.out.join("warm-up");
        std::fs::remove_dir_all(&warm_up).map_err(|e| AbError::not_written(&warm_up, e))?;
        self.run_max = Duration::ZERO;
        let start = Instant::now();
        for (block, order) in (1..).zip(order::blocks(self.options.seed, self.options.sides.len()))
        {
            let whole = self.block(block, &order).await?;
            self.record.elapsed_s = start.elapsed().as_secs_f64();
            self.record.write(&self.options.out)?;
            if !whole {
                return Ok(self.ending());
            }
            let so_far = self.compare().transpose()?.unwrap_or_default();
            let progress = ExperimentProgress {
                blocks: block,
                elapsed: start.elapsed(),
                run_max: self.run_max,
                half_width: half_width(&so_far),
            };
            let limits = &self.options.limits;
            self.display.block(&progress, limits, &so_far);
            if let Some(end) = limits.end(&progress) {
                return Ok(end);
            }
        }
        // Not reached: the iterator of blocks is endless.
        Ok(StopReason::Blocks)
    }

    /// Makes the runs of a block. Returns whether the block is complete; an interrupted one is not.
    async fn block(&mut self, block: u32, order: &[Side]) -> Result<bool, AbError> {
        let first = self.record.runs.len();
        // All sides make the same random choices, so that these cause no difference.
        let seed = self.options.seed.wrapping_add(u64::from(block));
        for (place, side) in (1..).zip(order.iter().copied()) {
            self.display
                .running(block, place, side, &self.options.limits);
            let begun = Instant::now();
            let Some((folder, mut verdict)) = self.recorded_run(side, seed).await? else {
                self.leave_out(first)?;
                return Ok(false);
            };
            if verdict == VerdictResult::Invalid && !self.is_over().await {
                let reason = self.reason(&folder);
                self.display.say(&format!(
                    "{folder} is INVALID ({reason}); repeating it once"
                ));
                let path = self.options.out.join(&folder);
                std::fs::remove_dir_all(&path).map_err(|e| AbError::not_written(&path, e))?;
                let Some((_, again)) = self.recorded_run(side, seed).await? else {
                    self.leave_out(first)?;
                    return Ok(false);
                };
                verdict = again;
            }
            self.record.runs.push(RunRecord {
                side,
                block,
                folder,
                seed,
                verdict,
                counts: false,
            });
            if self.is_over().await {
                self.leave_out(first)?;
                return Ok(false);
            }
            self.run_max = self.run_max.max(begun.elapsed());
        }
        let invalid = |r: &RunRecord| r.verdict.is_doubtful();
        if self.record.runs[first..].iter().any(invalid) {
            self.spoiled += 1;
            self.display.say(&format!(
                "block {block} is left out, because one of its runs is INVALID"
            ));
            self.leave_out(first)?;
            return Ok(true);
        }
        let out = self.options.out.clone();
        for run in &mut self.record.runs[first..] {
            run.counts = true;
            let opened = RunFolder::open(&out.join(&run.folder))?;
            self.opened.push((run.side, block, opened));
        }
        Ok(true)
    }

    /// Moves the runs from index `first` on out of their side's folder, so that they are not compared.
    fn leave_out(&mut self, first: usize) -> Result<(), AbError> {
        for run in &mut self.record.runs[first..] {
            let from = self.options.out.join(&run.folder);
            run.folder = format!("{LEFT_OUT}/{}", run.folder);
            let to = self.options.out.join(&run.folder);
            let folder = to.parent().unwrap_or(&to);
            let moved = std::fs::create_dir_all(folder).and_then(|()| std::fs::rename(&from, &to));
            moved.map_err(|e| AbError::not_written(&from, e))?;
        }
        Ok(())
    }

    fn reason(&self, folder: &str) -> String {
        let opened = RunFolder::open(&self.options.out.join(folder));
        let reasons = opened.map(|o| o.report.verdict.reasons().join("; "));
        reasons.unwrap_or_default()
    }

    /// Makes a run in the side's next folder; `None` if it was stopped before it measured anything.
    async fn recorded_run(
        &mut self,
        side: Side,
        seed: u64,
    ) -> Result<Option<(String, VerdictResult)>, AbError> {
        let before = self.record.runs.iter().filter(|r| r.side == side).count();
        let folder = format!("{}/{:02}", side.folder(), before + 1);
        let path = self.options.out.join(&folder);
        let verdict = self.run_once(side, seed, &path).await?;
        if verdict.is_none() && path.exists() {
            std::fs::remove_dir_all(&path).map_err(|e| AbError::not_written(&path, e))?;
        }
        Ok(verdict.map(|verdict| (folder, verdict)))
    }

    async fn run_once(
        &mut self,
        side: Side,
        seed: u64,
        out: &Path,
    ) -> Result<Option<VerdictResult>, AbError> {
        let build = self.build(side).clone();
        let scenario = (self.scenario)().map_err(AbError::Scenario)?;
        let options = RunOptions {
            target: None,
            connect: ConnectOptions {
                proxy: ProxyChoice::Environment,
                ..ConnectOptions::default()
            },
            agents: self.options.agents.clone(),
            drivers: self.options.drivers,
            seed,
            out: OutFolder::claim(out)?,
            audit: self.options.audit,
            system: Some(build.plan),
            trace: None,
            speed: None,
            profile: false,
            observers: RunObservers::default(),
        };
        match run(scenario, options).await {
            Ok(report) => {
                let lost = said_lost(&report.agents);
                if !lost.is_empty() {
                    self.lost(lost.join("; "));
                }
                Ok(Some(report.verdict.result()))
            }
            Err(RunError::Aborted) => Err(AbError::Aborted),
            Err(RunError::AgentLost(why)) => {
                self.lost(why);
                Ok(None)
            }
            // A terminal sends Ctrl-C to the system, too; a system that is starting then ends with an error.
            Err(_) if self.is_over().await => Ok(None),
            Err(error) => Err(AbError::Run {
                letter: side.letter(),
                label: build.label,
                error,
            }),
        }
    }

    /// Without all agents there are no more runs.
    fn lost(&mut self, why: String) {
        self.display
            .say(&format!("{why}: comparing the complete blocks"));
        self.record.ended = Some(StopReason::AgentLost);
        self.record.lost = Some(why);
    }

    /// Why the experiment is over although its stopping rule doesn't say so.
    fn ending(&self) -> StopReason {
        self.record.ended.unwrap_or(StopReason::Interrupted)
    }

    /// Whether the experiment is over: an agent was lost, or it was interrupted. The current run received the same signal and has ended in
    /// order.
    async fn is_over(&mut self) -> bool {
        if self.record.ended.is_some() {
            return true;
        }
        let asked = tokio::select! {
            biased;
            () = self.interrupts.stop() => true,
            () = std::future::ready(()) => false,
        };
        if asked {
            self.record.ended = Some(StopReason::Interrupted);
            self.display
                .say("interrupted: comparing the complete blocks");
        }
        asked
    }

    /// Compares the blocks that count; `None` as long as there are none.
    fn compare(&self) -> Option<Result<Vec<Comparison>, CompareError>> {
        if self.opened.is_empty() {
            return None;
        }
        let groups = self.groups();
        let (baseline, candidates) = groups.split_first()?;
        Some(compare::compare_each(
            baseline,
            candidates,
            &self.options.compare,
        ))
    }

    /// The sides of this experiment.
    fn sides(&self) -> impl Iterator<Item = Side> + use<> {
        Side::ALL.into_iter().take(self.options.sides.len())
    }

    /// The runs of each side in the blocks that count.
    fn groups(&self) -> Vec<Group> {
        self.sides().map(|side| self.group(side)).collect()
    }

    /// The runs of a side in the blocks that count.
    fn group(&self, side: Side) -> Group {
        let own = self.opened.iter().filter(|(s, ..)| *s == side);
        let (blocks, runs) = own.map(|(_, block, run)| (*block, run.clone())).unzip();
        let build = self.build(side);
        let group = Group::new(&build.label, runs).in_blocks(blocks);
        group.asked(build.asked.clone())
    }

    fn build(&self, side: Side) -> &Build {
        &self.options.sides[side.index()]
    }
}

/// Half the width of the widest leading interval, as a share; `None` as long as a leading figure has no interval.
fn half_width(comparisons: &[Comparison]) -> Option<f64> {
    let leading = comparisons.iter().flat_map(display::leading);
    let ratios = leading.filter(|f| f.scale == Scale::Ratio);
    let widths = ratios.map(|f| Some((f.effect.high? / f.effect.low?).sqrt() - 1.0));
    widths.reduce(|a, b| Some(a?.max(b?))).flatten()
}
