//! The targets of a scenario, as they are reached from this machine.

use loadgen_engine::drive::Targets;
use loadgen_engine::http_client::{ConnectOptions, ProxyChoice, Target};
use loadgen_scenario::Scenario;

/// How targets are reached: through the scenario's proxy, unless the command line says it.
pub fn connect(scenario: &Scenario, options: &ConnectOptions) -> ConnectOptions {
    let mut connect = options.clone();
    if let (ProxyChoice::Environment, Some(proxy)) = (&connect.proxy, &scenario.http.proxy) {
        connect.proxy = ProxyChoice::named(proxy);
    }
    connect
}

/// The main target. Fails before anything is measured, instead of a report full of refused connections. The error is for people.
pub async fn main(url: &str, connect: &ConnectOptions) -> Result<Target, String> {
    let target = Target::resolve(url, connect).await;
    let target = target.map_err(|e| format!("--target: {e}"))?;
    target
        .reach()
        .await
        .map_err(|e| format!("the target {} can't be reached: {e}", target.url))?;
    Ok(target)
}

/// The targets of `[targets]`, in the scenario's order. The error is for people.
pub async fn named(scenario: &Scenario, connect: &ConnectOptions) -> Result<Vec<Target>, String> {
    let mut targets = Vec::with_capacity(scenario.targets.len());
    for named in &scenario.targets {
        let (name, url) = (&named.name, &named.url);
        let wrong = |problem: String| format!("the target `{name}`: {problem}");
        let target = Target::resolve(url, connect).await.map_err(wrong)?;
        target
            .reach()
            .await
            .map_err(|e| wrong(format!("{url} can't be reached: {e}")))?;
        targets.push(target);
    }
    Ok(targets)
}

/// All of them. The error is for people.
pub async fn reached(
    scenario: &Scenario,
    url: &str,
    options: &ConnectOptions,
) -> Result<Targets, String> {
    let connect = connect(scenario, options);
    Ok(Targets {
        main: main(url, &connect).await?,
        named: named(scenario, &connect).await?,
    })
}
