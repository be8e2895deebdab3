//! An await step: waits until a state is visible on the live feed.

use std::time::Instant;

use super::{JourneyEnd, JourneyRun, StepError};
use crate::drive::request;
use crate::feed::partition::Partition;
use crate::feed::sightings::EventMatch;
use loadgen_scenario::{Await, as_written};

impl<'a> JourneyRun<'a> {
    pub(super) async fn awaits(&mut self, awaits: &'a Await) -> Result<(), JourneyEnd> {
        let key = self.render(&awaits.key)?;
        let mut fields = Vec::with_capacity(awaits.conditions.len());
        for (pointer, expected) in &awaits.conditions {
            let expected = self.render(expected)?;
            fields.push((
                pointer.clone(),
                as_written::parse(&expected)
                    .map_err(|e| StepError::new("template", e.to_string()))?,
            ));
        }
        let Some(feed) = &self.context.feed else {
            return Err(StepError::new("no live feed", "").into());
        };
        self.keys
            .push((&awaits.topic, &awaits.key_source, key.clone()));
        let timeout = awaits
            .timeout
            .unwrap_or(self.context.scenario.limits.request_timeout);
        let condition = EventMatch {
            action: awaits.action.clone(),
            fields,
        };
        let seen = feed
            .wait(&awaits.topic, &awaits.key_source, &key, condition, timeout)
            .await;
        let since = self
            .starts
            .get(awaits.since)
            .copied()
            .flatten()
            .unwrap_or(self.intended);
        let Ok(event) = seen else {
            self.intended = Instant::now();
            self.is_counted = true;
            if self.measured {
                self.context.figures.borrow_mut().awaits[awaits.id].timeouts += 1;
            }
            return Err(StepError::new(
                "await timeout",
                format!("{} {key}: not seen within {timeout:?}", awaits.topic),
            )
            .into());
        };
        let visible_at = event.visible_at().unwrap_or_else(Instant::now);
        if self.measured {
            self.context.figures.borrow_mut().awaits[awaits.id]
                .end_to_end
                .record(visible_at.saturating_duration_since(since));
        }
        let partition = Partition {
            topic: &awaits.topic,
            number: event.partition,
        };
        if let Some(sample) = &mut self.sample {
            let name = &self.context.scenario.await_names[awaits.id];
            let place = (partition, event.position);
            sample.saw((awaits.id, name), place, since, visible_at);
        }
        self.sees(&partition.name(), event.position);
        // The state may have been visible before the previous step ended.
        self.intended = self.intended.max(visible_at);
        self.vars
            .extend(request::take_out(&event.data, &awaits.extract)?);
        Ok(())
    }
}
