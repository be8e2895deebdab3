//! Circles of imports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::Breaches;

/// Files and lines.
type Places = BTreeSet<(String, usize)>;

/// Who imports whom, and where.
#[derive(Default)]
pub struct Graph(BTreeMap<String, BTreeMap<String, Places>>);

/// Imports of which each begins where the one before ends. The last ends where the first begins.
pub struct Circle(Vec<(String, String, Places)>);

impl Graph {
    pub fn add(&mut self, from: &str, to: &str, file: &str, line: usize) {
        let all = self.0.entry(from.to_owned()).or_default();
        all.entry(to.to_owned())
            .or_default()
            .insert((file.to_owned(), line));
    }

    /// The shortest circles first. No two share an import, and without all their imports there is no circle.
    pub fn circles(mut self) -> Vec<Circle> {
        let mut circles = Vec::new();
        let mut nodes: Vec<String> = self.0.keys().cloned().collect();
        for length in 2.. {
            nodes.retain(|node| {
                while let Some(circle) = self.shortest(node) {
                    if circle.len() > length {
                        return true;
                    }
                    circles.push(self.take(&circle));
                }
                false
            });
            if nodes.is_empty() {
                break;
            }
        }
        circles
    }

    fn take(&mut self, circle: &[String]) -> Circle {
        let next = circle.iter().cycle().skip(1);
        let import = |(from, to): (&String, &String)| {
            let places = self.0.get_mut(from)?.remove(to)?;
            Some((from.clone(), to.clone(), places))
        };
        Circle(circle.iter().zip(next).filter_map(import).collect())
    }

    /// The nodes of the shortest circle from `start`, which is the first of them.
    fn shortest(&self, start: &str) -> Option<Vec<String>> {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut next = VecDeque::from([start]);
        while let Some(node) = next.pop_front() {
            for to in self.0.get(node).into_iter().flat_map(BTreeMap::keys) {
                if to == start {
                    let before = |node: &&str| came_from.get(node).copied();
                    let mut circle: Vec<String> = std::iter::successors(Some(node), before)
                        .map(str::to_owned)
                        .collect();
                    circle.reverse();
                    return Some(circle);
                }
                if !came_from.contains_key(to.as_str()) {
                    came_from.insert(to, node);
                    next.push_back(to);
                }
            }
        }
        None
    }
}

impl Circle {
    pub fn has_only_files(&self) -> bool {
        self.0.iter().all(|(from, _, _)| from.ends_with(".rs"))
    }

    /// Adds a breach at the place of the first import.
    pub fn report(&self, nodes: &str, breaches: &mut Breaches) {
        let mut what = format!("circle of {} {nodes}:", self.0.len());
        for (from, to, places) in &self.0 {
            let Some((file, line)) = places.first() else {
                continue;
            };
            what += &format!("\n    {from} imports {to} ({file}:{line}");
            what += &match places.len() {
                1 => ")".to_owned(),
                number => format!(" and {} more)", number - 1),
            };
        }
        if let Some((file, line)) = self.0.first().and_then(|(_, _, places)| places.first()) {
            breaches.add(file, *line, what);
        }
    }
}

/// The pair of siblings, files or folders, that an import from one file to another connects: `a/x.rs` and `b/y.rs` connect `a` and `b`.
/// A file `a.rs` beside a folder `a` is inside it.
pub fn siblings<'a>(
    from: &'a str,
    to: &'a str,
    folders: &BTreeSet<&str>,
) -> Option<(&'a str, &'a str)> {
    let parts = |file: &'a str| {
        let mut parts: Vec<&str> = file.match_indices('/').map(|(at, _)| &file[..at]).collect();
        parts.extend(
            file.strip_suffix(".rs")
                .filter(|stem| folders.contains(stem)),
        );
        parts.push(file);
        parts
    };
    parts(from)
        .into_iter()
        .zip(parts(to))
        .find(|(from, to)| from != to)
}
