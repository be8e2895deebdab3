//! Loops of a journey: repeat a step, each round with its `index` and `it`, within bounds. Must not know what the step
//! does.

use serde_json::Value;

use super::{JourneyEnd, JourneyRun, StepError};
use loadgen_scenario::{Loop, Step};

/// The variables that a loop sets for its steps.
const INDEX: &str = "index";
const IT: &str = "it";
/// The most rounds of one `repeat` or `for_each`, because the target's answer may set their number.
const ROUNDS_MAX: u64 = 100_000;

impl<'a> JourneyRun<'a> {
    /// Carries a loop out, and restores the variables `index` and `it` after it.
    pub(super) async fn repeat(
        &mut self,
        step: &'a Step,
        looped: &'a Loop,
    ) -> Result<(), JourneyEnd> {
        let outside = [INDEX, IT].map(|name| (name, self.vars.get(name).cloned()));
        let done = self.rounds(step, looped).await;
        for (name, value) in outside {
            match value {
                Some(value) => drop(self.vars.insert(name.to_owned(), value)),
                None => drop(self.vars.remove(name)),
            }
        }
        done
    }

    async fn rounds(&mut self, step: &'a Step, looped: &'a Loop) -> Result<(), JourneyEnd> {
        match looped {
            Loop::Repeat(count) => {
                let text = self.render(count)?;
                let count: u64 = text.trim().parse().map_err(|_| {
                    StepError::new("loop", format!("`{text}` is not a whole number of times"))
                })?;
                self.bounded(count)?;
                for index in 0..count {
                    self.round(step, index, Value::Null).await?;
                }
            }
            Loop::ForEach(list) => {
                let Value::Array(elements) = self.value(list)? else {
                    return Err(StepError::new("loop", "`for_each` needs a list").into());
                };
                self.bounded(elements.len() as u64)?;
                for (index, element) in (0..).zip(elements) {
                    self.round(step, index, element).await?;
                }
            }
            Loop::While { holds, max } => {
                for index in 0..u64::from(*max) {
                    if !self.holds(holds)? {
                        return Ok(());
                    }
                    self.round(step, index, Value::Null).await?;
                }
                self.at = &step.name;
                if self.holds(holds)? {
                    let example = format!("`{}` still holds after {max} iterations", holds.text());
                    return Err(StepError::new("loop bound", example).into());
                }
            }
            Loop::Until { holds, max } => {
                for index in 0..u64::from(*max) {
                    self.round(step, index, Value::Null).await?;
                    if self.holds(holds)? {
                        return Ok(());
                    }
                }
                self.at = &step.name;
                let example = format!("`{}` does not hold after {max} iterations", holds.text());
                return Err(StepError::new("loop bound", example).into());
            }
        }
        Ok(())
    }

    fn bounded(&self, rounds: u64) -> Result<(), StepError> {
        if rounds > ROUNDS_MAX {
            let example = format!("{rounds} iterations exceed the limit of {ROUNDS_MAX}");
            return Err(StepError::new("loop bound", example));
        }
        Ok(())
    }

    async fn round(&mut self, step: &'a Step, index: u64, it: Value) -> Result<(), JourneyEnd> {
        self.vars.insert(INDEX.to_owned(), index.into());
        self.vars.insert(IT.to_owned(), it);
        self.at = &step.name;
        self.step(step).await
    }
}
