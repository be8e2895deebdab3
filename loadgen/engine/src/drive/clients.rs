//! The targets of a scenario's requests, and one client for each: what goes to one target never waits for a connection to another.

use crate::http_client::{ClientLimits, ClientOptions, ConnectionFigures, HttpClient, Target};
use loadgen_scenario::share::Share;
use loadgen_scenario::{Http, Limits, Protocol, Scenario};

/// Where requests go.
#[derive(Clone)]
pub struct Targets {
    /// Of requests that name no target. Its metrics and its live feed are read.
    pub main: Target,
    /// Those of `[targets]`, in the scenario's order.
    pub named: Vec<Target>,
}

/// A client for each target.
pub struct Clients {
    main: HttpClient,
    named: Vec<HttpClient>,
}

impl Clients {
    /// Clients without connections yet, as the scenario wants them; this share of its limits holds for each of them.
    pub fn new(targets: Targets, scenario: &Scenario, share: Share) -> Self {
        let limits = client_limits(&scenario.limits, share);
        let options = client_options(&scenario.http);
        let client = |target| HttpClient::with(target, limits, options.clone());
        Self {
            main: client(targets.main),
            named: targets.named.into_iter().map(client).collect(),
        }
    }

    /// The client for a target of `[targets]`, or for the main one.
    pub fn of(&self, target: Option<usize>) -> &HttpClient {
        match target {
            Some(index) => &self.named[index],
            None => &self.main,
        }
    }

    /// What they did with their connections.
    pub fn figures(&self) -> ConnectionFigures {
        let mut figures = self.main.figures();
        self.named.iter().for_each(|c| figures.add(c.figures()));
        figures
    }

    /// Errors caused by this machine, not by a target.
    pub fn generator_errors(&self) -> u64 {
        let all = self.named.iter().chain([&self.main]);
        all.map(HttpClient::generator_errors).sum()
    }
}

/// The limits of one driver's clients, or of set-up's.
fn client_limits(limits: &Limits, share: Share) -> ClientLimits {
    ClientLimits {
        timeout: limits.request_timeout,
        response_bytes_max: limits.response_bytes_max,
        connections_max: share.part(limits.connections_max),
    }
}

/// How the clients speak HTTP.
fn client_options(http: &Http) -> ClientOptions {
    let is_http2 = http.protocol == Protocol::Http2;
    ClientOptions {
        keep_alive: http.keep_alive,
        requests_per_connection: http.requests_per_connection,
        streams_per_connection: is_http2.then_some(http.streams_per_connection),
        accept_encoding: http.accepted(),
    }
}
