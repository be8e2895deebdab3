//! Where a run took place, and how its programs were built.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Cargo's profiles whose programs are optimised for measuring.
const MEASURING: [&str; 2] = ["release", "bench"];

/// The machine and the target of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the names say it
pub struct Environment {
    pub target: String,
    /// The scenario's further targets, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub targets: BTreeMap<String, String>,
    /// Whether this run started the target.
    pub target_started: bool,
    pub cores: usize,
    pub os: String,
    pub arch: String,
    pub loadgen_version: String,
    /// Cargo's profile of loadgen's build; older reports don't have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loadgen_profile: Option<String>,
    pub system_version: Option<String>,
    /// Cargo's profile of the system's build, if `/health` shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_profile: Option<String>,
    /// The options that the system says it was started with; older reports don't have them.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub system_options: Map<String, Value>,
    pub redis_version: Option<String>,
    pub redis_server: Option<String>,
    pub durability: Option<String>,
    /// The command that started the system, and the Redis that was asked for, if this run started it; older reports don't have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_command: Option<String>,
}

impl Environment {
    /// The server that the system says it runs on, such as `redis 7.0.15`.
    #[must_use]
    pub fn redis(&self) -> Option<String> {
        let (server, version) = (self.redis_server.as_ref()?, self.redis_version.as_ref()?);
        Some(format!("{server} {version}"))
    }

    /// How the programs were built, as far as it is known: `built with: loadgen release, system debug`.
    #[must_use]
    pub fn built_with(&self) -> Option<String> {
        let profiles = self
            .profiles()
            .map(|(name, profile)| format!("{name} {profile}"));
        let profiles: Vec<String> = profiles.collect();
        (!profiles.is_empty()).then(|| format!("built with: {}", profiles.join(", ")))
    }

    /// A warning, if one of the builds is not optimised for measuring.
    #[must_use]
    pub fn build_warning(&self) -> Option<String> {
        let mut profiles = self.profiles();
        let (name, profile) = profiles.find(|(_, profile)| !MEASURING.contains(profile))?;
        Some(format!(
            "quick build ({name} {profile}): for figures build with --release"
        ))
    }

    fn profiles(&self) -> impl Iterator<Item = (&str, &str)> {
        let profiles = [
            ("loadgen", self.loadgen_profile.as_deref()),
            ("system", self.system_profile.as_deref()),
        ];
        let known = profiles.into_iter();
        known.filter_map(|(name, profile)| Some((name, profile?)))
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    fn built(loadgen: Option<&str>, system: Option<&str>) -> Environment {
        Environment {
            loadgen_profile: loadgen.map(str::to_owned),
            system_profile: system.map(str::to_owned),
            ..Environment::default()
        }
    }

    #[test]
    fn a_build_that_is_not_optimised_for_measuring_gets_a_warning() {
        for (loadgen, system, warned) in [
            (Some("release"), Some("release"), false),
            (Some("bench"), None, false),
            (None, None, false),
            (Some("release"), Some("debug"), true),
            (Some("debug"), Some("release"), true),
        ] {
            let warning = built(loadgen, system).build_warning();

            assert_eq!(
                warning.is_some(),
                warned,
                "{loadgen:?} {system:?}: {warning:?}"
            );
        }
    }

    #[test]
    fn only_known_builds_are_named() {
        let both = built(Some("release"), Some("debug"));

        assert_eq!(
            both.built_with().unwrap(),
            "built with: loadgen release, system debug"
        );
        assert_eq!(
            built(Some("debug"), None).built_with().unwrap(),
            "built with: loadgen debug"
        );
        assert_eq!(built(None, None).built_with(), None);
    }

    #[test]
    fn a_report_without_profiles_can_be_read() {
        let mut written = serde_json::to_value(built(Some("debug"), None)).unwrap();
        written.as_object_mut().unwrap().remove("loadgen_profile");

        let read: Environment = serde_json::from_value(written).unwrap();

        assert_eq!(read.built_with(), None);
    }
}
