//! CPU time and memory of the generator and of a system on the same machine. They come from /proc where it exists, else
//! from `ps`.

use std::collections::{BTreeMap, HashSet};
use std::process::Command;
use std::time::Duration;

/// Ticks a second in /proc's stat files: the same on every architecture we build for.
const TICKS_PER_S: u64 = 100;

/// The process id of the parent of the kernel's threads.
const KERNEL_THREADS: u32 = 2;

/// How long a thread has run on a CPU, and how long it has waited for one.
#[derive(Debug, Clone, Copy)]
pub struct ThreadTime {
    /// It had a core.
    pub running: Duration,
    /// Time in which the thread was ready to run while others ran.
    pub waiting: Duration,
}

impl ThreadTime {
    /// What has been added since an earlier look.
    pub fn since(self, before: Self) -> Self {
        Self {
            running: self.running.saturating_sub(before.running),
            waiting: self.waiting.saturating_sub(before.waiting),
        }
    }
}

/// The times of the calling thread; `None` where there is no /proc.
pub fn thread_time() -> Option<ThreadTime> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let mut nanos = text
        .split_whitespace()
        .map(|n| n.parse().map(Duration::from_nanos));
    Some(ThreadTime {
        running: nanos.next()?.ok()?,
        waiting: nanos.next()?.ok()?,
    })
}

/// CPU time of all threads of this process.
pub fn process_cpu_time() -> Option<Duration> {
    match std::fs::read_to_string("/proc/self/stat") {
        Ok(stat) => Some(parse_stat(&stat)?.cpu),
        Err(_) => ps_time(&["-p", &std::process::id().to_string()]),
    }
}

/// CPU time of this process's threads that have this name and a number, by their numbers. Empty where there is no /proc.
pub fn numbered_cpu_times(name: &str) -> BTreeMap<usize, Duration> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let times = threads.flatten().filter_map(|thread| {
        let read = |file| std::fs::read_to_string(thread.path().join(file)).ok();
        let own_name = read("comm")?;
        let number = own_name.trim().strip_prefix(name)?.trim().parse().ok()?;
        let nanos = read("schedstat")?.split_whitespace().next()?.parse().ok()?;
        Some((number, Duration::from_nanos(nanos)))
    });
    times.collect()
}

/// Steal time since boot: what the host gave to other virtual machines. `None` where there is no /proc.
pub fn host_time() -> Option<Duration> {
    parse_steal(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// The first line is the sum of all cores: user, nice, system, idle, iowait, irq, softirq, steal.
fn parse_steal(text: &str) -> Option<Duration> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: u64 = line.split_whitespace().nth(7)?.parse().ok()?;
    Some(Duration::from_millis(ticks * 1_000 / TICKS_PER_S))
}

/// CPU times from one reading of all processes.
pub struct ProgramTimes {
    /// As returned by `group_cpu_times`.
    pub system: BTreeMap<String, Duration>,
    /// All programs except this one and the system, with their children that have ended. The kernel's own threads are left out, because
    /// they work for all.
    pub others: Duration,
}

/// CPU times of a system, given by its first processes, and of all other programs. `None` where there is no /proc.
pub fn program_times(system: &[u32]) -> Option<ProgramTimes> {
    let stats = stats()?;
    let known: HashSet<u32> = descendants(&stats, system).map(|s| s.process).collect();
    let other = |s: &&Stat| {
        let of_kernel = s.process == KERNEL_THREADS || s.parent == KERNEL_THREADS;
        !of_kernel && s.process != std::process::id() && !known.contains(&s.process)
    };
    let others = stats.iter().filter(other);
    Some(ProgramTimes {
        others: others.map(Stat::cpu_with_ended).sum(),
        system: by_name(&stats, system),
    })
}

/// CPU time of processes, their process groups and all their descendants: a system with the servers that it started. Ended children count.
pub fn group_cpu_time(roots: &[u32]) -> Option<Duration> {
    let Some(stats) = stats() else {
        let groups: Vec<String> = roots.iter().map(u32::to_string).collect();
        return ps_time(&["-g", &groups.join(",")]);
    };
    let times = descendants(&stats, roots).map(Stat::cpu_with_ended);
    times.reduce(|a, b| a + b)
}

/// The same, summed by process name. Empty where there is no /proc.
pub fn group_cpu_times(roots: &[u32]) -> BTreeMap<String, Duration> {
    by_name(&stats().unwrap_or_default(), roots)
}

fn by_name(stats: &[Stat], roots: &[u32]) -> BTreeMap<String, Duration> {
    let mut times: BTreeMap<String, Duration> = BTreeMap::new();
    for (name, stat) in named(stats, roots) {
        *times.entry(name).or_default() += stat.cpu_with_ended();
    }
    times
}

/// The peak memory of a process, its group and their descendants (resident set, bytes), summed by process name. Empty where there is no /proc.
pub fn group_memory_peaks(process: u32) -> BTreeMap<String, u64> {
    let mut peaks: BTreeMap<String, u64> = BTreeMap::new();
    for (name, stat) in named(&stats().unwrap_or_default(), &[process]) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", stat.process));
        let peak = status.ok().and_then(|text| {
            let kib = text.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
            kib.split_whitespace().next()?.parse::<u64>().ok()
        });
        if let Some(kib) = peak {
            *peaks.entry(name).or_default() += kib * 1_024;
        }
    }
    peaks
}

/// Processes, their process groups and all their descendants, with their display names.
fn named<'a>(
    stats: &'a [Stat],
    roots: &[u32],
) -> impl Iterator<Item = (String, &'a Stat)> + use<'a> {
    descendants(stats, roots).map(|stat| {
        let arguments = std::fs::read_to_string(format!("/proc/{}/cmdline", stat.process));
        let name = display_name(&stat.name, &arguments.unwrap_or_default());
        (name, stat)
    })
}

/// A process of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupProcess {
    /// Its process id.
    pub id: u32,
    /// Its program and subcommand.
    pub name: String,
}

/// Processes, their process groups and all their descendants, at this moment. Empty where there is no /proc.
pub fn group_processes(roots: &[u32]) -> Vec<GroupProcess> {
    let stats = stats().unwrap_or_default();
    let all = named(&stats, roots).map(|(name, stat)| GroupProcess {
        id: stat.process,
        name,
    });
    all.collect()
}

/// A process's name with its subcommand, if it has one: it distinguishes services of one program.
fn display_name(name: &str, arguments: &str) -> String {
    let mut arguments = arguments.split('\0');
    let program = arguments.next().unwrap_or_default();
    let command = arguments.next().unwrap_or_default();
    let is_word = |c: char| c.is_ascii_lowercase() || c == '-';
    // Programs that rewrite their own title have other text in place of arguments.
    let own = program
        .rsplit('/')
        .next()
        .is_some_and(|p| p.starts_with(name));
    match own
        && command.starts_with(|c: char| c.is_ascii_lowercase())
        && command.chars().all(is_word)
    {
        true => format!("{name} {command}"),
        false => name.to_owned(),
    }
}

/// The data that `/proc` has of a process.
struct Stat {
    name: String,
    process: u32,
    parent: u32,
    group: u32,
    cpu: Duration,
    /// CPU time of children that have ended and been waited for.
    ended_children: Duration,
}

impl Stat {
    /// CPU time with that of ended children: a server's helpers come and go.
    fn cpu_with_ended(&self) -> Duration {
        self.cpu + self.ended_children
    }
}

/// Processes, their process groups and all their descendants.
fn descendants<'a>(stats: &'a [Stat], roots: &[u32]) -> impl Iterator<Item = &'a Stat> + use<'a> {
    let mut descendants: HashSet<u32> = roots.iter().copied().collect();
    loop {
        let known = descendants.len();
        for stat in stats {
            if roots.contains(&stat.group) || descendants.contains(&stat.parent) {
                descendants.insert(stat.process);
            }
        }
        if descendants.len() == known {
            break;
        }
    }
    stats
        .iter()
        .filter(move |s| descendants.contains(&s.process))
}

/// All processes. `None` where there is no /proc.
fn stats() -> Option<Vec<Stat>> {
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let stats = entries.filter_map(|entry| {
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        parse_stat(&std::fs::read_to_string(entry.path().join("stat")).ok()?)
    });
    Some(stats.collect())
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The second field is the name in parentheses, which may hold anything, parentheses too.
    let (head, tail) = text.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |i: usize| fields.get(i)?.parse::<u64>().ok();
    let time = |i: usize| {
        let ticks = number(i)? + number(i + 1)?;
        Some(Duration::from_millis(ticks * 1_000 / TICKS_PER_S))
    };
    let (number_text, name) = head.split_once('(')?;
    Some(Stat {
        name: name.to_owned(),
        process: number_text.trim().parse().ok()?,
        parent: number(1)? as u32,
        group: number(2)? as u32,
        cpu: time(11)?,
        ended_children: time(13)?,
    })
}

/// The sum of `[[hours:]minutes:]seconds` that `ps` prints.
fn ps_time(selection: &[&str]) -> Option<Duration> {
    let output = Command::new("ps")
        .args(["-o", "time="])
        .args(selection)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let seconds = |line: &str| {
        line.trim().split(':').try_fold(0.0, |sum, part| {
            Some(sum * 60.0 + part.parse::<f64>().ok()?)
        })
    };
    let total: f64 = text
        .lines()
        .filter(|l| !l.trim().is_empty())
        .map(|l| seconds(l).unwrap_or(0.0))
        .sum();
    Some(Duration::from_secs_f64(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_although_the_name_has_parentheses_and_spaces() {
        let stat =
            parse_stat("42 (a (b) c) S 7 40 40 0 -1 4194560 1 0 0 0 150 50 30 20 20 0 1 0 1 1 1")
                .unwrap();
        assert_eq!((stat.process, stat.parent, stat.group), (42, 7, 40));
        assert_eq!(stat.cpu, Duration::from_secs(2));
        assert_eq!(stat.ended_children, Duration::from_millis(500));
        assert_eq!(stat.name, "a (b) c");
    }

    #[test]
    fn a_systems_servers_and_their_helpers_are_its_own_whatever_group_they_are_in() {
        let stat = |process, parent, group| Stat {
            name: String::new(),
            process,
            parent,
            group,
            cpu: Duration::ZERO,
            ended_children: Duration::ZERO,
        };
        // A helper of a server with its own group; a process of the system's group whose parent is gone; unrelated ones.
        let all = [
            stat(13, 12, 12),
            stat(12, 11, 12),
            stat(11, 10, 11),
            stat(14, 1, 11),
            stat(10, 1, 10),
            stat(15, 1, 15),
        ];
        let descendants: Vec<u32> = descendants(&all, &[11]).map(|s| s.process).collect();
        assert_eq!(descendants, [13, 12, 11, 14]);
    }

    #[test]
    fn what_the_host_took_is_read_from_the_line_of_all_cores() {
        let text = "cpu  100 20 30 900 5 7 8 40 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(parse_steal(text), Some(Duration::from_millis(400)));
        assert_eq!(parse_steal("intr 1"), None);
    }

    #[test]
    fn a_process_is_named_with_its_subcommand_but_without_its_flags() {
        for (name, arguments, shown) in [
            (
                "ordershop",
                "/usr/bin/ordershop\0crm-service\0--x\0",
                "ordershop crm-service",
            ),
            (
                "redis-server",
                "redis-server 127.0.0.1:6379",
                "redis-server",
            ),
            ("ordershop", "ordershop\0--help", "ordershop"),
            ("ordershop", "", "ordershop"),
        ] {
            assert_eq!(display_name(name, arguments), shown);
        }
    }
}
