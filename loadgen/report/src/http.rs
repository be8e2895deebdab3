//! What went over HTTP besides times: connections, bytes, redirects.

use serde::{Deserialize, Serialize};

use crate::sections::Quantiles;
use loadgen_engine::drive::Finished;
use loadgen_engine::record::Figures;
use loadgen_scenario::{Protocol, Scenario};

const HTTP1: &str = "HTTP/1.1";
/// The share of requests that may be sent once more without a warning: a target that closes idle connections meets a few on their way.
const REPEATED_MAX: f64 = 0.01;

/// What went over HTTP. The warm-up counts for connections, and for nothing else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpReport {
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: String,
    /// Connections opened.
    pub connections: u64,
    /// Requests sent on them, each redirect and each repetition for itself.
    pub requests: u64,
    /// The most requests at once on one connection; 1 with HTTP/1.1.
    pub streams_max: u64,
    /// Kept connections that the target had closed before they were used again.
    pub closed_idle: u64,
    /// Requests sent once more, because the target can't have begun them or they change nothing.
    pub repeated: u64,
    /// The answers of each step.
    pub answers: Vec<AnswerBytes>,
    /// The redirects that were followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirects: Vec<RedirectReport>,
}

/// The bodies of one step's answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerBytes {
    /// The step.
    pub step: String,
    /// Bytes as they came, without those of chunks.
    pub wire_bytes: u64,
    /// Bytes after they were decompressed.
    pub body_bytes: u64,
}

/// Redirects of one step that have the same place in their request and the same status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RedirectReport {
    /// The step.
    pub step: String,
    /// The place in the request, from 1.
    pub place: usize,
    /// The status.
    pub status: u16,
    /// How many there were.
    pub count: u64,
    /// How long the target took to answer so; `None` in a merged report.
    pub time_us: Option<Quantiles>,
    /// The first one: method and URL that were answered so.
    pub from: String,
    /// The first one: method and URL that followed.
    pub to: String,
}

impl HttpReport {
    /// The report of a run.
    pub fn new(scenario: &Scenario, figures: &Figures, finished: &Finished) -> Self {
        let connections = finished.connections;
        let steps = || scenario.step_names.iter().zip(&figures.steps);
        let answers = steps().map(|(name, step)| AnswerBytes {
            step: name.clone(),
            wire_bytes: step.wire_bytes,
            body_bytes: step.body_bytes,
        });
        let redirects = steps().flat_map(|(name, step)| {
            let all = step.redirects.iter();
            all.map(|((place, status), figures)| {
                let time_us = Quantiles::from(&figures.time);
                RedirectReport {
                    step: name.clone(),
                    place: *place,
                    status: *status,
                    count: time_us.count,
                    time_us: Some(time_us),
                    from: figures.example.0.clone(),
                    to: figures.example.1.clone(),
                }
            })
        });
        let is_http2 = scenario.http.protocol == Protocol::Http2;
        Self {
            protocol: if is_http2 { "HTTP/2" } else { HTTP1 }.to_owned(),
            connections: connections.opened,
            requests: connections.requests,
            streams_max: match is_http2 {
                true => connections.streams_max,
                false => 1,
            },
            closed_idle: connections.closed_idle,
            repeated: connections.repeated,
            answers: answers.collect(),
            redirects: redirects.collect(),
        }
    }

    /// The warning about requests that were sent once more, if they are more than a few. Of HTTP/2 none is told apart from those that the
    /// target had refused to begin.
    pub(crate) fn warning(&self) -> Option<String> {
        let asked = self.requests.saturating_sub(self.repeated);
        let share = self.repeated as f64 / asked.max(1) as f64;
        let told = self.protocol == HTTP1 && share > REPEATED_MAX;
        told.then(|| {
            format!(
                "{} of {asked} requests ({:.1} %) were sent once more, because the target had closed their connection without an answer: it may crash, or close connections without saying so (`connection: close`); with keep_alive = false in [http], and of a POST, each is an error",
                self.repeated,
                share * 100.0
            )
        })
    }

    /// Adds another generator's figures.
    pub(crate) fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.requests += other.requests;
        self.streams_max = self.streams_max.max(other.streams_max);
        self.closed_idle += other.closed_idle;
        self.repeated += other.repeated;
        for (mine, theirs) in self.answers.iter_mut().zip(&other.answers) {
            mine.wire_bytes += theirs.wire_bytes;
            mine.body_bytes += theirs.body_bytes;
        }
        for theirs in &other.redirects {
            let is_same = |mine: &&mut RedirectReport| {
                (&mine.step, mine.place, mine.status) == (&theirs.step, theirs.place, theirs.status)
            };
            match self.redirects.iter_mut().find(is_same) {
                // Quantiles can't be merged.
                Some(mine) => (mine.count, mine.time_us) = (mine.count + theirs.count, None),
                None => self.redirects.push(theirs.clone()),
            }
        }
    }
}
