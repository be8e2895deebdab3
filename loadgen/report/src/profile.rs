//! Where the CPU of a run went: sampled stacks, folded, and the functions that had most samples of their own. Pure; must not know what
//! takes the samples nor how they are drawn.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Ends the names of the kernel's functions.
pub const KERNEL: &str = "_[k]";
/// Most functions that a report names of a program.
const HOTTEST_MAX: usize = 10;
/// Parts the frames of a stack.
const BETWEEN: char = ';';

/// Sampled stacks with the number of their samples. A stack is its frames, the outermost first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stacks(BTreeMap<String, u64>);

impl Stacks {
    /// Adds a sample of these frames, the outermost first.
    pub fn add<'a>(&mut self, frames: impl IntoIterator<Item = &'a str>) {
        let frames = frames.into_iter();
        // Rust's arrays have a semicolon in their names.
        let frames: Vec<String> = frames.map(|f| f.replace([BETWEEN, '\n'], ":")).collect();
        *self.0.entry(frames.join(";")).or_default() += 1;
    }

    /// Adds all samples of another one.
    pub fn extend(&mut self, other: Self) {
        for (stack, samples) in other.0 {
            *self.0.entry(stack).or_default() += samples;
        }
    }

    /// Reads lines of `a;b;c 12`, as this is written; others are left out.
    pub fn parse(text: &str) -> Self {
        let stack = |line: &str| {
            let (stack, samples) = line.rsplit_once(' ')?;
            Some((stack.to_owned(), samples.parse().ok()?))
        };
        Self(text.lines().filter_map(stack).collect())
    }

    /// Each stack's frames, the outermost first, with its number of samples.
    pub fn iter(&self) -> impl Iterator<Item = (impl Iterator<Item = &str>, u64)> {
        let stacks = self.0.iter();
        stacks.map(|(stack, samples)| (stack.split(BETWEEN), *samples))
    }

    /// Number of samples.
    pub fn samples(&self) -> u64 {
        self.0.values().sum()
    }

    /// The functions with most samples of their own, those of the functions that they call left out; the one with most first.
    fn hottest(&self) -> Vec<HotFunction> {
        let mut own: BTreeMap<&str, u64> = BTreeMap::new();
        for (frames, samples) in self.iter() {
            *own.entry(frames.last().unwrap_or_default()).or_default() += samples;
        }
        let own = own.into_iter().map(|(function, samples)| HotFunction {
            function: function.to_owned(),
            samples,
        });
        let mut own: Vec<HotFunction> = own.collect();
        own.sort_by_key(|hot| std::cmp::Reverse(hot.samples));
        own.truncate(HOTTEST_MAX);
        own
    }
}

/// A line of `a;b;c 12` a stack.
impl fmt::Display for Stacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut stacks = self.0.iter();
        stacks.try_for_each(|(stack, samples)| writeln!(f, "{stack} {samples}"))
    }
}

/// Where the CPU of a started system and its Redis went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileReport {
    /// Samples a second of CPU time.
    pub samples_per_s: u32,
    /// The system and its Redis.
    pub programs: Vec<ProfiledProgram>,
}

/// Where the CPU of the system, or of its Redis, went. Its stacks are in files beside the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfiledProgram {
    /// `system` or `redis`.
    pub name: String,
    /// Number of samples.
    pub samples: u64,
    /// The functions with most samples of their own, the one with most first.
    pub hottest: Vec<HotFunction>,
}

/// A function and its own samples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotFunction {
    /// The function's name; one of the kernel ends with [`KERNEL`].
    pub function: String,
    /// Samples in which it ran itself.
    pub samples: u64,
}

impl ProfiledProgram {
    /// What the stacks say of the program of this name.
    pub fn of(name: &str, stacks: &Stacks) -> Self {
        Self {
            name: name.to_owned(),
            samples: stacks.samples(),
            hottest: stacks.hottest(),
        }
    }

    /// The file of its folded stacks.
    pub fn stacks_file(&self) -> String {
        format!("stacks-{}.txt", self.name)
    }

    /// The file of its flame graph.
    pub fn flame_file(&self) -> String {
        format!("flame-{}.svg", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stacks() -> Stacks {
        let mut stacks = Stacks::default();
        for frames in [["main", "read"], ["main", "write"], ["main", "read"]] {
            stacks.add(frames);
        }
        stacks.add(["main"]);
        stacks.add(["main", "poll", "write"]);
        stacks
    }

    #[test]
    fn stacks_are_folded_and_read_again() {
        let folded = stacks().to_string();
        assert_eq!(
            folded,
            "main 1\nmain;poll;write 1\nmain;read 2\nmain;write 1\n"
        );
        assert_eq!(Stacks::parse(&folded), stacks());
    }

    #[test]
    fn a_frame_with_a_semicolon_or_spaces_stays_one_frame() {
        let mut stacks = Stacks::default();
        stacks.add(["main", "<[u8; 4] as Read>::read"]);
        assert_eq!(stacks.to_string(), "main;<[u8: 4] as Read>::read 1\n");
        assert_eq!(Stacks::parse(&stacks.to_string()), stacks);
    }

    #[test]
    fn own_samples_are_of_the_innermost_frame_whoever_called_it() {
        let program = ProfiledProgram::of("system", &stacks());
        let own = program.hottest.iter();
        let own: Vec<_> = own.map(|h| (h.function.as_str(), h.samples)).collect();
        assert_eq!(own, [("read", 2), ("write", 2), ("main", 1)]);
        assert_eq!(program.samples, 5);
    }
}
