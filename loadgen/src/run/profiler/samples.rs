//! The samples that `perf script` prints, as folded stacks: of Redis's processes, and of all others. Pure.

use std::collections::BTreeMap;

use loadgen_report::profile::{KERNEL, Stacks};

/// Addresses from here on are the kernel's.
const KERNEL_FROM: u64 = 1 << 63;
/// What perf writes for a function or a file that it doesn't know.
const UNKNOWN: &str = "[unknown]";
/// Stands for the callers that did not fit into what perf keeps of a stack.
const CUT_OFF: &str = "[cut off]";

/// Reads samples line by line.
pub struct Samples<'a> {
    /// The processes that are known by name.
    names: &'a BTreeMap<u32, String>,
    /// Whether a process of this name is Redis.
    is_redis: &'a dyn Fn(&str) -> bool,
    /// Each process's stacks.
    stacks: BTreeMap<u32, ProcessStacks>,
    /// The sample that is being read: its thread and process.
    sample: Option<(String, u32)>,
    /// Its frames so far, the innermost first.
    frames: Vec<String>,
}

#[derive(Default)]
struct ProcessStacks {
    is_redis: bool,
    stacks: Stacks,
}

impl<'a> Samples<'a> {
    /// No samples yet, of processes with these names.
    pub fn new(names: &'a BTreeMap<u32, String>, is_redis: &'a dyn Fn(&str) -> bool) -> Self {
        Self {
            names,
            is_redis,
            stacks: BTreeMap::new(),
            sample: None,
            frames: Vec::new(),
        }
    }

    /// Reads the next line: a sample's thread and process, one of its frames, or the empty line after it.
    pub fn line(&mut self, line: &str) {
        let text = line.trim();
        if text.is_empty() {
            self.end_sample();
        } else if line.starts_with([' ', '\t']) {
            self.frames.extend(frame(text));
        } else if let Some((thread, process)) = text.rsplit_once(' ') {
            self.end_sample();
            let process = process.parse().ok();
            self.sample = process.map(|process| (thread.trim().to_owned(), process));
        }
    }

    fn end_sample(&mut self) {
        let frames = std::mem::take(&mut self.frames);
        let Some((thread, process)) = self.sample.take() else {
            return;
        };
        let program = self.names.get(&process).unwrap_or(&thread);
        let of = self.stacks.entry(process).or_default();
        // A Redis that was started meanwhile is known by its first thread.
        of.is_redis |= (self.is_redis)(program) || (self.is_redis)(&thread);
        // The first thread of a process has its name.
        let is_first = program.split(' ').next() == Some(&thread);
        let place = [program, &thread]
            .into_iter()
            .take(2 - usize::from(is_first));
        let place = place.map(String::as_str);
        of.stacks
            .add(place.chain(frames.iter().rev().map(String::as_str)));
    }

    /// The stacks of the system, and those of its Redis.
    pub fn finish(mut self) -> (Stacks, Stacks) {
        self.end_sample();
        let (mut system, mut redis) = (Stacks::default(), Stacks::default());
        for process in self.stacks.into_values() {
            match process.is_redis {
                true => redis.extend(process.stacks),
                false => system.extend(process.stacks),
            }
        }
        (system, redis)
    }
}

/// The function's name in a line `address function (file)`: that of its file if the function has none, with [`KERNEL`] if it is the
/// kernel's. [`CUT_OFF`] where perf could not go on.
fn frame(line: &str) -> Option<String> {
    let (address, rest) = line.split_once(' ')?;
    let address = u64::from_str_radix(address, 16).ok()?;
    let file_at = rest.rfind(" (/").or_else(|| rest.rfind(" (["));
    let (function, file) = rest.split_at(file_at.unwrap_or(rest.len()));
    let file = file.trim_start_matches(" (").trim_end_matches(')');
    let file = file.trim_end_matches(" (deleted");
    let name = match (function, file) {
        (UNKNOWN, UNKNOWN | "") => return Some(CUT_OFF.to_owned()),
        (UNKNOWN, file) => {
            let name = file.rsplit('/').next().unwrap_or(file);
            format!("[{}]", name.trim_matches(['[', ']']))
        }
        (function, _) => function.to_owned(),
    };
    match address >= KERNEL_FROM {
        true => Some(name + KERNEL),
        false => Some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "tokio-rt-worker    11 
\tffffffff81e2e5c2 sock_recvmsg ([kernel.kallsyms])
\tffffffff81e31688 nf_hook ([nf_conntrack])
\t          10a974 __libc_recv (/usr/lib/libc.so.6)
\t         1ebe454 <&std::net::UnixStream as std::io::Read>::read (/opt/ordershop (deleted))
\tffffffffffffffff [unknown] ([unknown])

redis-server    12 
\t           64e50 [unknown] (/usr/bin/redis-server)
\t           659ec aeMain (/usr/bin/redis-server)

bio_aof    12 
\t           659ec bioProcess (/usr/bin/redis-server)

redis-server    13 

bio_aof    13 
\t           659ec bioProcess (/usr/bin/redis-server)
";

    #[test]
    fn samples_become_stacks_of_the_system_and_of_each_redis_even_of_one_started_later() {
        let names = [(11, "ordershop up"), (12, "redis-server")];
        let names = names.map(|(id, name)| (id, name.to_owned())).into();
        let is_redis = |name: &str| name == "redis-server";
        let mut samples = Samples::new(&names, &is_redis);

        PRINTED.lines().for_each(|line| samples.line(line));
        let (system, redis) = samples.finish();

        assert_eq!(
            system.to_string(),
            "ordershop up;tokio-rt-worker;[cut off];<&std::net::UnixStream as std::io::Read>::read;__libc_recv;nf_hook_[k];sock_recvmsg_[k] 1\n"
        );
        assert_eq!(
            redis.to_string(),
            "bio_aof;bioProcess 1\nredis-server 1\nredis-server;aeMain;[redis-server] 1\nredis-server;bio_aof;bioProcess 1\n"
        );
    }
}
