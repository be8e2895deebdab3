//! How safe an acknowledged write is.

use std::str::FromStr;

/// How durable acknowledged writes are; a later one keeps more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Durability {
    /// Nothing on disk: acknowledged writes are lost with the Redis process.
    None,
    /// Append-only file, synced once a second: a crash of the machine loses up to about a second, a crash of the process nothing.
    #[default]
    Everysec,
    /// Append-only file, synced before the answer: nothing acknowledged is lost.
    Always,
}

impl Durability {
    /// `none`, `everysec` or `always`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Everysec => "everysec",
            Self::Always => "always",
        }
    }

    /// Redis's settings for it. `appendfsync` comes first, so that a running server never appends with the old one.
    pub(crate) const fn settings(self) -> [(&'static str, &'static str); 2] {
        let (sync, append_only) = match self {
            Self::None => ("no", "no"),
            Self::Everysec => ("everysec", "yes"),
            Self::Always => ("always", "yes"),
        };
        [("appendfsync", sync), ("appendonly", append_only)]
    }
}

impl FromStr for Durability {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::None, Self::Everysec, Self::Always]
            .into_iter()
            .find(|durability| durability.name() == name)
            .ok_or_else(|| format!("unknown durability {name:?}; it is none, everysec or always"))
    }
}
